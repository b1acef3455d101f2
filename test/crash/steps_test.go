package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carob-containers/carob/test/rig"
)

// steps are the syscalls worth dying at: each changes something that another
// process, or the next command, can see.
func steps() []string {
	return []string{
		"execve", "clone,clone3,fork,vfork", "mount,move_mount,umount2", "rename,renameat,renameat2",
		"fsync,fdatasync", "pwrite64", "sendmsg,sendto", "unlink,unlinkat", "mkdir,mkdirat",
	}
}

// depth is how many occurrences of a step in one thread are tried: usual, or
// what rig.EnvDepth says.
func depth(usual int) int {
	if n, err := strconv.Atoi(os.Getenv(rig.EnvDepth)); err == nil {
		return n
	}
	return usual
}

// What is usual: as many as a minute or two have room for. What a pod or a play
// does, its containers do for the most part, each on its own; they get fewer.
const (
	usually = 2
	inPods  = 1
)

// thorough tells that somebody has asked for more than the usual.
func thorough() bool { return os.Getenv(rig.EnvDepth) != "" }

// operation is a command that gets killed; prepare puts it in a position to run.
type operation struct {
	name    string
	prepare []string // a carob command, or nothing
	argv    []string // the carob command
}

func words(line string) []string { return strings.Fields(line) }

// usual leaves out what only a thorough run is for: the first steps of a
// restart are those of a stop.
func usual(all []operation) []operation {
	return slices.DeleteFunc(all, func(o operation) bool { return strings.HasSuffix(o.name, "restart") && !thorough() })
}

func operations() []operation {
	running := words("run -d --name victim -v precious:/p busybox " + payload)
	created := words("create --name victim -v precious:/p busybox " + payload)
	return usual([]operation{
		{"create", nil, created},
		{"run", nil, running},
		{"run-rm", nil, words("run --rm --name victim -v precious:/p busybox true")},
		{"start", created, words("start victim")},
		{"exec", running, words("exec victim true")},
		{"stop", running, words("stop -t 1 victim")},
		{"restart", running, words("restart -t 0 victim")},
		{"rm", running, words("rm -f -t 0 victim")},
	})
}

func TestKillCommand(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "cli-"+op.name, op, usually, (*site).killCommand, (*site).inspect)
		})
	}
}

func TestKillMonitor(t *testing.T) {
	for _, op := range operations() {
		if op.name == "create" || op.name == "exec" {
			continue // no monitor takes part
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "mon-"+op.name, op, usually, killHelper("carob-monitor"), (*site).inspect)
		})
	}
}

func TestKillRuntime(t *testing.T) {
	for _, op := range operations() {
		if op.name == "create" {
			continue // the runtime runs at start
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "oci-"+op.name, op, usually, killHelper("crun"), (*site).inspect)
		})
	}
}

// TestKillImageCommand does the same to what changes images.
func TestKillImageCommand(t *testing.T) {
	archive := filepath.Join(host.Images, "layers")
	absent := words("rmi --force --ignore localhost/layers")
	present := words("load --quiet --input " + archive + ".tar")
	for _, op := range []operation{
		{"pull", absent, words("pull --quiet oci-archive:" + archive + ".oci.tar")},
		{"load", absent, present},
		{"tag", present, words("tag localhost/layers localhost/other")},
		{"rmi", present, words("rmi --force localhost/layers")},
	} {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "img-"+op.name, op, usually, (*site).killCommand, func(s *site, when string) {
				s.inspectStorage(when)
				s.must(present...)
				s.must("run", "--rm", "--network=none", "localhost/layers", "true")
				s.must("rmi", "--force", "--ignore", "localhost/layers", "localhost/other")
			})
		})
	}
}

// everyStep kills at the first, second ... call of each step until nobody is
// hit any more, and inspects after each. A failure gets a new site, so that it
// does not hide in what an earlier one left; after the third it is enough.
// most is how many calls of each step are usual.
func everyStep(t *testing.T, name string, op operation, most int,
	kill func(s *site, calls string, n int, op operation), inspect func(s *site, when string),
) {
	hits, failures := 0, 0
	s := newSite(t, name)
	for _, calls := range steps() {
		for n := 1; n <= depth(most); n++ {
			hit := false
			good := t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(calls, ",", "+"), n), func(t *testing.T) {
				s.t = t
				kill(s, calls, n, op)
				inspect(s, fmt.Sprintf("%s: killed at call %d of %s", op.name, n, calls))
				hit = s.wasHit()
			})
			s.t = t
			if !good {
				s.showTrace()
				failures++
				if failures == 3 {
					return
				}
				s = newSite(t, fmt.Sprintf("%s-%d", name, failures))
			}
			if !hit {
				break
			}
			hits++
		}
	}
	if hits == 0 {
		t.Error("nothing was ever killed: the test tests nothing")
	}
	t.Logf("%d kills survived", hits-failures)
}

// inject makes strace kill whoever, of a program and its children, is the
// first thread to make the n-th call.
func (s *site) inject(calls string, n int, more ...string) []string {
	return append([]string{
		"strace", "-f", "-qqq", "-o", s.trace(), "-e", "trace=" + calls,
		"-e", "inject=" + calls + ":signal=KILL:when=" + strconv.Itoa(n),
	}, more...)
}

func (s *site) trace() string { return filepath.Join(s.Home, "trace") }

// killCommand runs a carob command and kills it, or what it started.
func (s *site) killCommand(calls string, n int, op operation) {
	s.t.Helper()
	if len(op.prepare) > 0 {
		s.must(op.prepare...)
	}
	// -D: the tracer is a grandchild, so that nobody waits for what carob leaves
	// running.
	s.run(append(s.inject(calls, n, "-D", "carob"), op.argv...)...)
}

// killHelper runs the operation with a carob whose monitor or OCI runtime is
// wrapped; while it is prepared that may be hit already.
func killHelper(helper string) func(s *site, calls string, n int, op operation) {
	return func(s *site, calls string, n int, op operation) { s.killHelper(helper, calls, n, op) }
}

func (s *site) killHelper(helper, calls string, n int, op operation) {
	s.t.Helper()
	if err := os.RemoveAll(s.trace()); err != nil {
		s.t.Fatal(err)
	}
	carob := s.wrappedCarob(helper, func(pid string) string { return strings.Join(s.inject(calls, n, "-p", pid), " ") })
	if len(op.prepare) > 0 {
		s.run(append(carob, op.prepare...)...)
	}
	s.run(append(carob, op.argv...)...)
}

// wrappedCarob installs carob anew with a helper that runs under strace, and
// returns its command line.
func (s *site) wrappedCarob(helper string, strace func(pid string) string) []string {
	s.t.Helper()
	prefix := filepath.Join(s.Home, "wrapped")
	if _, err := os.Stat(prefix); err != nil {
		if r := s.run("cp", "-r", host.Prefix, prefix); r.Code != 0 {
			s.t.Fatalf("cannot copy carob: %s", r.Stderr)
		}
	}
	carob := []string{filepath.Join(prefix, "bin/carob")}
	real, file := filepath.Join(host.Prefix, "libexec/carob", helper), filepath.Join(prefix, "libexec/carob", helper)
	if helper == "crun" {
		real, file = "/usr/bin/crun", filepath.Join(prefix, "crun")
		carob = append(carob, "--runtime", file)
	}
	// The tracer has none of the helper's descriptors: it would hold sockets and
	// locks that the helper's death must free. Nor is it the helper's child.
	script := "#!/bin/sh\n" +
		"(" + strace("$$") + " </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &)\n" +
		"until [ \"$tracer\" ] && [ \"$tracer\" != 0 ]; do\n" +
		"	while read -r key value; do [ \"$key\" != TracerPid: ] || tracer=$value; done </proc/$$/status\n" +
		"done\n" +
		"exec " + real + " \"$@\"\n"
	if err := os.WriteFile(file+".new", []byte(script), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
	return carob
}

// showTrace tells which call it was, and of which process.
func (s *site) showTrace() {
	b, _ := os.ReadFile(s.trace()) // none: nothing to show
	lines := strings.Split(string(b), "\n")
	s.t.Log("the trace ends with:\n" + strings.Join(lines[max(0, len(lines)-20):], "\n"))
}

var noReturn = regexp.MustCompile(`(?m)= \?$`)

// wasHit asks the tracer's notes, when all it traced has ended: a call from
// which nobody came back. That somebody was killed does not tell, stop and rm
// do that too.
func (s *site) wasHit() bool {
	s.t.Helper()
	b, err := os.ReadFile(s.trace())
	if os.IsNotExist(err) {
		return false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return noReturn.Match(b)
}
