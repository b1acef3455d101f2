package hostdev

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCorner35Resolve(t *testing.T) {
	for word, want := range map[string]Device{
		"/dev/null":            {Source: "/dev/null", Path: "/dev/null", Type: "c", Major: 1, Minor: 3, Perms: "rwm"},
		"/dev/null:r":          {Source: "/dev/null", Path: "/dev/null", Type: "c", Major: 1, Minor: 3, Perms: "r"},
		"/dev/zero:/dev/z":     {Source: "/dev/zero", Path: "/dev/z", Type: "c", Major: 1, Minor: 5, Perms: "rwm"},
		"/dev/zero:/dev/../z:": {},
		"/dev/zero:/dev/z:rw":  {Source: "/dev/zero", Path: "/dev/z", Type: "c", Major: 1, Minor: 5, Perms: "rw"},
	} {
		got, err := Resolve([]string{word})
		if want.Source == "" {
			if err == nil {
				t.Errorf("%s: %v", word, got)
			}
			continue
		}
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", word, got, err)
			continue
		}
		got[0].Mode, got[0].UID, got[0].GID = 0, 0, 0
		if got[0] != want {
			t.Errorf("%s: %+v, want %+v", word, got[0], want)
		}
	}
}

func TestCorner35ResolveMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for word, words := range map[string]string{
		"/dev/nosuch":            "cannot use --device /dev/nosuch: stat /dev/nosuch: no such file or directory",
		file:                     "cannot use --device " + file + ": " + file + ": not a device node",
		"dev/null":               "cannot use --device dev/null: the paths must be absolute",
		"/dev/null:x":            "cannot use --device /dev/null:x: the paths must be absolute",
		"/dev/null:/dev/x:q":     `cannot use --device /dev/null:/dev/x:q: permissions "q" are not letters of rwm`,
		"/dev/null:/a:r:b":       "cannot use --device /dev/null:/a:r:b: more than HOST:CONTAINER:PERMISSIONS",
		filepath.Dir(file):       "cannot use --device " + filepath.Dir(file) + ": no device node in that directory",
		filepath.Dir(file) + ":": "cannot use --device " + filepath.Dir(file) + ":: the paths must be absolute",
	} {
		if _, err := Resolve([]string{word}); err == nil || err.Error() != words {
			t.Errorf("%s:\n got %v\nwant %s", word, err, words)
		}
	}
}

func TestCorner35All(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range all {
		seen[d.Path] = true
		if d.Perms != "rwm" || d.Type != "c" && d.Type != "b" || strings.HasPrefix(d.Path, "/dev/pts/") || d.Path == "/dev/tty1" {
			t.Errorf("%+v", d)
		}
	}
	if !seen["/dev/null"] {
		t.Error("no /dev/null")
	}
}

func TestNumber(t *testing.T) {
	if _, err := Number("/dev/null"); err == nil || err.Error() != "cannot use device /dev/null: not a block device" {
		t.Error(err)
	}
	if _, err := Number("/dev/nosuch"); err == nil {
		t.Error("a missing device has a number")
	}
}
