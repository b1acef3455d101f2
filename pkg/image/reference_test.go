package image

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
)

// FuzzReference compares with the parser whose grammar this one follows:
// whatever the one takes the other takes too, with the same parts.
func FuzzReference(f *testing.F) {
	digest := "@sha256:" + strings.Repeat("a1", 32)
	for _, s := range []string{
		"busybox", "busybox:1", "localhost/a", "localhost:5000/a/b:c", "docker.io/busybox", "index.docker.io/library/a",
		"a" + digest, "q.io/a/b:t" + digest, "A/b", "a//b", "a__b/c---d", "a._b", "[::1]:5000/a", "[fe80::1]/a:b", "a:b:c",
		"a@sha256:12", "-a", "a/b:" + strings.Repeat("x", 129), "ab.c/" + strings.Repeat("x", 250), "", ":", "@", "/a", "a/", "a b",
		"UPPER.io/a", "h:/a", "1.2.3.4/a", "docker.io/a/b", strings.Repeat("ab", 32), "a:_x", "a:.x", "x-.y/z", "é/a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseReference(s)
		named, refErr := reference.ParseNormalizedNamed(s)
		if isID(s) {
			return // the other refuses what may be an ID; here Lookup decides
		}
		if shortUpper(s) {
			return // the other takes "A/b" for a registry named A
		}
		if (err == nil) != (refErr == nil) {
			t.Fatalf("%q: %v, the other says %v", s, err, refErr)
		}
		if err != nil {
			return
		}
		full := got
		if full.IsShort() {
			full = full.On(dockerHub)
		}
		if full.String() != named.String() {
			t.Fatalf("%q is %s, the other says %s", s, full, named)
		}
		if len(full.Name()) > maxRepository {
			return // it fitted only without the registry
		}
		again, err := ParseReference(full.String())
		if err != nil || again != full {
			t.Fatalf("%q: %s does not survive: %v %v", s, full, again, err)
		}
	})
}

func shortUpper(s string) bool {
	first, _, ok := strings.Cut(s, "/")
	return ok && !strings.ContainsAny(first, ".:") && strings.ToLower(first) != first
}

func TestReferenceParts(t *testing.T) {
	d := "sha256:" + strings.Repeat("0", 64)
	for in, want := range map[string]Reference{
		"busybox":                  {Path: "busybox"},
		"team/tool:1":              {Path: "team/tool", Tag: "1"},
		"localhost/x":              {Domain: "localhost", Path: "x"},
		"docker.io/busybox:a":      {Domain: "docker.io", Path: "library/busybox", Tag: "a"},
		"h:5000/a/b@" + d:          {Domain: "h:5000", Path: "a/b", Digest: "sha256:" + "0000000000000000000000000000000000000000000000000000000000000000"},
		"quay.io/a:t@" + d:         {Domain: "quay.io", Path: "a", Tag: "t", Digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
		"index.docker.io/user/img": {Domain: "docker.io", Path: "user/img"},
	} {
		got, err := ParseReference(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", in, got, err)
		}
	}
}

func TestSplitTransport(t *testing.T) {
	for name, want := range map[string][2]string{
		"docker://quay.io/a:b":     {"docker", "quay.io/a:b"},
		"oci-archive:/x/y.tar:tag": {"oci-archive", "/x/y.tar:tag"},
		"dir:/x":                   {"dir", "/x"},
		"docker:/x":                {"", "docker:/x"},
		"localhost:5000/a":         {"", "localhost:5000/a"},
		"busybox":                  {"", "busybox"},
	} {
		if transport, details := SplitTransport(name); transport != want[0] || details != want[1] {
			t.Errorf("%s: %s, %s", name, transport, details)
		}
	}
}
