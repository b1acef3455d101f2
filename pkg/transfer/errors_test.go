package transfer

import (
	"errors"
	"testing"
)

// TestUnmappedOwner: an account without a range hears which file it cannot have.
func TestUnmappedOwner(t *testing.T) {
	err := explain("load", "x.tar", errors.New(`unpacking failed (error: exit status 1; output: potentially insufficient UIDs or GIDs available in user namespace `+
		`(requested 1000:1001 for /home/alice): Check /etc/subuid and /etc/subgid if configured locally and run "podman system migrate": lchown /home/alice: invalid argument)`))
	if want := "cannot load x.tar: /home/alice belongs to user 1000 and group 1001, and not both of these ids are mapped"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) {
		t.Error("no hint")
	}
}

func TestNoTarArchive(t *testing.T) {
	err := explain("import", "x", errors.New("unpacking failed (error: exit status 1; output: unexpected EOF) exhausting input failed (error: unexpected EOF)"))
	if want := "cannot import x: it is no tar archive, or a truncated one"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}
