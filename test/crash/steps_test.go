package crash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// steps are the syscalls worth dying at: each changes something that another
// process, or the next command, can see.
func steps() []string {
	return []string{
		"execve", "clone,clone3,fork,vfork", "mount,move_mount,umount2", "rename,renameat,renameat2",
		"fsync,fdatasync", "pwrite64", "sendmsg,sendto", "unlink,unlinkat", "mkdir,mkdirat",
	}
}

// depth is how many occurrences of a step in one thread are tried;
// CAROB_CRASH_DEPTH says otherwise.
func depth() int {
	if n, err := strconv.Atoi(os.Getenv("CAROB_CRASH_DEPTH")); err == nil {
		return n
	}
	return 3
}

// operation is a command that gets killed; prepare puts it in a position to run.
type operation struct {
	name    string
	prepare []string // a carob command, or nothing
	argv    []string // the carob command
}

func operations() []operation {
	words := func(line string) []string { return strings.Fields(line) }
	running := words("run -d --name victim -v precious:/p busybox " + payload)
	created := words("create --name victim -v precious:/p busybox " + payload)
	return []operation{
		{"create", nil, created},
		{"run", nil, running},
		{"run-rm", nil, words("run --rm --name victim -v precious:/p busybox true")},
		{"start", created, words("start victim")},
		{"exec", running, words("exec victim true")},
		{"stop", running, words("stop -t 1 victim")},
		{"rm", running, words("rm -f -t 0 victim")},
	}
}

func TestKillCommand(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "cli-"+op.name)
			s.everyStep(op, func(calls string, n int) bool { return s.killCommand(calls, n, op) })
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
			s := newSite(t, "mon-"+op.name)
			s.everyStep(op, func(calls string, n int) bool { return s.killHelper("carob-monitor", calls, n, op) })
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
			s := newSite(t, "oci-"+op.name)
			s.everyStep(op, func(calls string, n int) bool { return s.killHelper("crun", calls, n, op) })
		})
	}
}

// everyStep kills at the first, second ... call of each step until nobody is
// hit any more, and inspects after each.
func (s *site) everyStep(op operation, kill func(calls string, n int) bool) {
	hits := 0
	for _, calls := range steps() {
		for n := 1; n <= depth(); n++ {
			hit := kill(calls, n)
			s.inspect(fmt.Sprintf("%s: killed at call %d of %s", op.name, n, calls))
			if s.t.Failed() {
				return // what follows would only repeat it
			}
			if !hit {
				break
			}
			hits++
		}
	}
	if hits == 0 {
		s.t.Error("nothing was ever killed: the test tests nothing")
	}
	s.t.Logf("%d kills survived", hits)
}

// inject makes strace kill whoever, of a program and its children, is the
// first thread to make the n-th call.
func inject(trace, calls string, n int) []string {
	return []string{
		"strace", "-f", "-qqq", "-o", trace, "-e", "trace=" + calls,
		"-e", "inject=" + calls + ":signal=KILL:when=" + strconv.Itoa(n),
	}
}

// killCommand runs a carob command and kills it, or what it started.
func (s *site) killCommand(calls string, n int, op operation) (hit bool) {
	s.t.Helper()
	if len(op.prepare) > 0 {
		s.must(op.prepare...)
	}
	trace := filepath.Join(s.Home, "trace")
	s.run(append(append(inject(trace, calls, n), "carob"), op.argv...)...)
	return s.wasHit(trace)
}

// killHelper runs the operation with a carob whose monitor or OCI runtime is
// wrapped: prepared and victim's own processes alike.
func (s *site) killHelper(helper, calls string, n int, op operation) (hit bool) {
	s.t.Helper()
	trace := filepath.Join(s.Home, "trace")
	if err := os.RemoveAll(trace); err != nil {
		s.t.Fatal(err)
	}
	carob := s.wrappedCarob(helper, append([]string{}, inject(trace, calls, n)...))
	if len(op.prepare) > 0 {
		s.run(append(carob, op.prepare...)...) // may be hit already
	}
	s.run(append(carob, op.argv...)...)
	return s.wasHit(trace)
}

// wrappedCarob installs carob anew with a helper that runs under strace, and
// returns its command line.
func (s *site) wrappedCarob(helper string, strace []string) []string {
	s.t.Helper()
	prefix := filepath.Join(s.Home, "wrapped")
	if _, err := os.Stat(prefix); err != nil {
		if r := s.run("cp", "-r", host.Prefix, prefix); r.code != 0 {
			s.t.Fatalf("cannot copy carob: %s", r.stderr)
		}
	}
	carob := []string{filepath.Join(prefix, "bin/carob")}
	real, file := filepath.Join(host.Prefix, "libexec/carob", helper), filepath.Join(prefix, "libexec/carob", helper)
	if helper == "crun" {
		real, file = "/usr/bin/crun", filepath.Join(prefix, "crun")
		carob = append(carob, "--runtime", file)
	}
	// -D: the tracer is a grandchild, so that the helper keeps its pid and parent.
	script := "#!/bin/sh\nexec " + strings.Join(strace, " ") + " -D " + real + " \"$@\"\n"
	if err := os.WriteFile(file+".new", []byte(script), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
	return carob
}

func (s *site) wasHit(trace string) bool {
	s.t.Helper()
	b, err := os.ReadFile(trace)
	if os.IsNotExist(err) {
		return false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return bytes.Contains(b, []byte("+++ killed by SIGKILL"))
}
