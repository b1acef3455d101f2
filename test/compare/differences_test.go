package compare

import (
	"path"
	"strings"
	"testing"
)

// excuse is a difference that is wanted. Words and difference are patterns as
// of path.Match, but * matches slashes too.
type excuse struct {
	words, difference string
	reason            string
}

// wanted lists the differences between carob and podman 4.3.1.
func wanted() []excuse {
	return []excuse{
		{"images *", "*only carob has [].Arch", "later versions of podman have it too"},
		{"events *", "*only carob has [].ContainerExitCode", "later versions of podman tell of a 0, too"},
		{"events *", "*only carob has [].timeNano", "later versions of podman have it too"},
		{"images *", "*only carob has [].Os", "later versions of podman have it too"},
		{"run * env | sort", "*stdout: *HOSTNAME=h*", "TERM is set only with --tty, as in later versions of podman"},
		{"info *", "*carob lacks .host.remoteSocket.path", "there is no API socket yet, and no path is made up"},
		{"info *", "*only carob has .host.pasta", "later versions of podman tell of pasta too"},
		{"info *", "*only carob has .store.graphStatus.Supports *", "the storage library is newer"},
	}
}

// excuses remembers which of wanted were needed.
type excuses struct {
	list []excuse
	used []bool
}

func newExcuses() *excuses {
	list := wanted()
	return &excuses{list: list, used: make([]bool, len(list))}
}

func (e *excuses) has(t *testing.T, l line, difference string) bool {
	for i, x := range e.list {
		if match(x.words, l.String()) && match(x.difference, difference) {
			e.used[i] = true
			t.Logf("wanted: %s, because %s", difference, x.reason)
			return true
		}
	}
	return false
}

// report fails for an excuse that nothing needs any more.
func (e *excuses) report(t *testing.T) {
	for i, x := range e.list {
		if !e.used[i] {
			t.Errorf("the difference %q of %q is gone: remove its excuse", x.difference, x.words)
		}
	}
}

func match(pattern, text string) bool {
	escape := strings.NewReplacer("/", "\x01", "[", "\x02", "]", "\x03")
	ok, err := path.Match(escape.Replace(pattern), escape.Replace(text))
	return ok && err == nil
}
