package selinux

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const file = "system_u:object_r:container_file_t:s0:c12,c345"

func TestWithType(t *testing.T) {
	const process = "system_u:system_r:container_t:s0:c12,c345"
	for _, test := range []struct{ label, model, want string }{
		{process, "system_u:system_r:container_init_t:s0:c1,c2", "system_u:system_r:container_init_t:s0:c12,c345"},
		{"", "system_u:system_r:container_init_t:s0", ""},
		{process, "", process},
	} {
		if got, err := withType(test.label, test.model); got != test.want || err != nil {
			t.Errorf("withType(%q, %q) = %q, %v; want %q", test.label, test.model, got, err, test.want)
		}
	}
	for _, bad := range [][2]string{{"nonsense", process}, {process, "nonsense"}} {
		if got, err := withType(bad[0], bad[1]); err == nil {
			t.Errorf("withType(%q, %q) = %q, want an error", bad[0], bad[1], got)
		}
	}
}

func TestShared(t *testing.T) {
	for label, want := range map[string]string{
		file:                             "system_u:object_r:container_file_t:s0",
		"system_u:object_r:my_file_t":    "system_u:object_r:my_file_t", // a policy without levels
		"system_u:object_r:my_file_t:s3": "system_u:object_r:my_file_t:s0",
		"":                               "",
	} {
		if got, err := Shared(label); got != want || err != nil {
			t.Errorf("Shared(%q) = %q, %v; want %q", label, got, err, want)
		}
	}
	if got, err := Shared("nonsense"); err == nil {
		t.Errorf("Shared(nonsense) = %q, want an error", got)
	}
}

func TestLike(t *testing.T) {
	got, err := Like("system_u:system_r:spc_t:s0:c1,c2")
	want := []string{"user:system_u", "role:system_r", "type:spc_t", "level:s0:c1,c2"}
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if got, err := Like(""); len(got) > 0 || err != nil {
		t.Errorf("of no label: %q, %v", got, err)
	}
}

func TestMountData(t *testing.T) {
	for data, want := range map[string]string{"": `context="` + file + `"`, "mode=1777": `mode=1777,context="` + file + `"`} {
		if got := MountData(data, file); got != want {
			t.Errorf("MountData(%q) = %q, want %q", data, got, want)
		}
	}
	if got := MountData("mode=1777", ""); got != "mode=1777" {
		t.Errorf("without a label: %q", got)
	}
}

func TestHasContext(t *testing.T) {
	if !HasContext([]string{"size=1m", `context="a:b:c:s0"`}) || HasContext([]string{"size=1m", "mode=0700"}) || HasContext(nil) {
		t.Error("a context is not told from other options")
	}
}

// Where SELinux is off, nothing is labelled and nothing refused.
func TestOff(t *testing.T) {
	if Enabled() {
		t.Skip("SELinux is enabled here; test/vm has the tests for that")
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Label(path, file); err != nil {
		t.Error(err)
	}
	for _, path := range []string{path, "/usr", "/nowhere"} {
		if err := Relabel(path, file, true); err != nil {
			t.Error(err)
		}
	}
	if l, err := SharedFile(); l != "" || err != nil {
		t.Error(l, err)
	}
}

func TestHasBit(t *testing.T) {
	for answer, want := range map[string]bool{"2 ffffffff 0 0 12 0": true, "d ffffffff 0 ffffffff 12 0": false, "ffffffff": true, "0": false} {
		if got, err := hasBit(answer, 2); got != want || err != nil {
			t.Errorf("hasBit(%q, 2) = %v, %v", answer, got, err)
		}
	}
	if _, err := hasBit("", 2); err == nil {
		t.Error("no error of an empty answer")
	}
}

func TestRefusedWithoutLabel(t *testing.T) {
	if _, refused := Refused("", "/"); refused {
		t.Error("a process without a label is refused")
	}
}
