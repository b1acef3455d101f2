package arch

import (
	"strconv"
	"strings"
	"testing"
)

// layer is the height of a package: imports go to a lower one. The higher the
// number, the nearer to the user.
func layer(dir string) (height int, name string) {
	switch {
	case strings.HasPrefix(dir, "cmd/"):
		return 6, "cmd"
	case dir == "libpod":
		return 5, "libpod"
	case within(dir, "libpod/monitor"), within(dir, "libpod/bundle"), within(dir, "libpod/oci"), within(dir, "libpod/kube"):
		return 4, "libpod/{monitor,bundle,oci,kube}"
	case within(dir, "libpod/store"):
		return 3, "libpod/store"
	case within(dir, "libpod/spec"):
		return 2, "libpod/spec"
	case within(dir, "pkg/sys"):
		return 0, "pkg/sys"
	case within(dir, "pkg"):
		return 1, "pkg"
	}
	return -1, "none"
}

func within(dir, parent string) bool {
	return dir == parent || strings.HasPrefix(dir, parent+"/")
}

// family is the part of a path that may be split into packages which import
// each other: pkg/userns and pkg/userns/join are one thing in two packages.
func family(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	if len(parts) < 2 {
		return dir
	}
	return parts[0] + "/" + parts[1]
}

// sideways are imports within one layer that are wanted.
func sideways() allowed {
	return allowed{
		"pkg/config -> pkg/journal":   "events_logger = journald is obeyed where there is a journald, and warned about elsewhere",
		"pkg/eventlog -> pkg/journal": "events go to the journal in the same protocol as the log driver's lines, which know nothing of events",
		"pkg/quadlet -> pkg/unitfile": "unitfile is the syntax of systemd's files, quadlet what some of them mean; others write unit files as well",
		"pkg/transfer -> pkg/image":   "transfer fills the store that image opens; they are two packages because only carob-image links containers/image",
	}
}

func TestImportsGoDown(t *testing.T) {
	exceptions, used := sideways(), map[string]bool{}
	for _, s := range sources(t) {
		height, name := layer(s.dir)
		if height < 0 {
			t.Errorf("%s: no layer for this directory: put it below cmd, libpod/{monitor,bundle,oci,kube,store,spec} or pkg", s.position(s.file))
			continue
		}
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			dir, ours := strings.CutPrefix(path, module+"/")
			if !ours || family(dir) == family(s.dir) {
				continue
			}
			theirs, theirName := layer(dir)
			switch {
			case theirs < 0:
				t.Errorf("%s: %s imports %s, which belongs to no layer", s.position(spec), s.dir, dir)
			case theirs > height:
				t.Errorf("%s: %s imports %s: up, from %s to %s. What both need belongs in the lower layer, or comes in as an argument", s.position(spec), s.dir, dir, name, theirName)
			case theirs == height:
				exceptions.check(t, used, s.dir+" -> "+dir,
					"%s: %s imports %s: sideways within %s. Let the caller join them, or give the reason in the list beside this test", s.position(spec), s.dir, dir, name)
			}
		}
	}
	exceptions.allUsed(t, used)
}

// grabBags are names that say nothing of what is inside.
var grabBags = []string{"util", "utils", "common", "define", "types", "helpers", "helper", "misc", "shared", "base"}

func TestNoGrabBagPackages(t *testing.T) {
	for _, s := range sources(t) {
		for _, bad := range grabBags {
			if s.file.Name.Name == bad {
				t.Errorf("%s: package %s says nothing of what it holds: name it after its subject, or move its parts to where they are used", s.position(s.file), bad)
			}
		}
	}
}
