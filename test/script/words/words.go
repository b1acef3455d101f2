// Package words holds the commands that scripts have beside testscript's own
// and that need no more than carob on PATH: test/script and test/vm share them.
// test/script/README.md says how each is used.
package words

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/carob-containers/carob/test/rig"
	"github.com/rogpeppe/go-internal/testscript"
)

// Command is what testscript.Params.Cmds takes.
type Command = func(*testscript.TestScript, bool, []string)

// placeKey is the script's *rig.Place among its values.
type placeKey struct{}

// SetPlace tells the words of a script where it runs.
func SetPlace(env *testscript.Env, p *rig.Place) { env.Values[placeKey{}] = p }

// Place is what SetPlace was given.
func Place(ts *testscript.TestScript) *rig.Place { return ts.Value(placeKey{}).(*rig.Place) }

// All returns the words by name.
func All() map[string]Command {
	return map[string]Command{
		"carob": carob, "code": code, "waitfor": waitfor, "jq": jq, "kill9": kill9, "setenv": setenv, "gone": gone,
	}
}

// carob ARG...: as exec carob, because every other line is one.
func carob(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("carob", args...)
	switch {
	case err != nil && !neg:
		ts.Fatalf("carob failed: %v", err)
	case err == nil && neg:
		ts.Fatalf("carob succeeded")
	case neg && exitCode(err) < 0:
		ts.Fatalf("carob was killed: %v", err)
	}
}

// code N COMMAND ARG...: the command ends with exactly N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [arg...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// exitCode is -1 for a death by signal, and for a command that did not start.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode()
	}
	return -1
}

// waitfor [SECONDS] COMMAND ARG...: until it succeeds (with !: fails).
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	limit := 10 * time.Second
	if len(args) > 0 {
		if n, err := strconv.Atoi(args[0]); err == nil {
			limit = time.Duration(n) * time.Second
			args = args[1:]
		}
	}
	if len(args) == 0 {
		ts.Fatalf("usage: waitfor [seconds] command [arg...]")
	}
	for began := time.Now(); ; {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		waited := time.Since(began)
		if waited > limit {
			ts.Fatalf("not so in %s: %s", limit, strings.Join(args, " "))
		}
		// What is waited for may have to share a slow processor with these looks.
		time.Sleep(min(max(waited/5, 30*time.Millisecond), 3*time.Second))
	}
}

// jq FILTER WANT: what jq -r makes of the last stdout; lines joined by a space.
func jq(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: jq filter want")
	}
	cmd := exec.Command("jq", "-r", args[0])
	cmd.Stdin = strings.NewReader(ts.ReadFile("stdout"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("jq %s: %v: %s", args[0], err, out)
	}
	got := strings.Join(strings.Fields(string(out)), " ")
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

// kill9 monitor|keeper|payload [CONTAINER]: one SIGKILL to that process.
func kill9(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: kill9 monitor|payload CONTAINER, or kill9 keeper")
	}
	var pid int
	switch {
	case args[0] == "keeper":
		var err error
		pid, err = Place(ts).KeeperPID()
		ts.Check(err)
	case len(args) == 2:
		field := map[string]string{"monitor": "{{.State.ConmonPid}}", "payload": "{{.State.Pid}}"}[args[0]]
		ts.Check(ts.Exec("carob", "container", "inspect", "--format", field, args[1]))
		pid, _ = strconv.Atoi(strings.TrimSpace(ts.ReadFile("stdout")))
	}
	if pid <= 1 {
		ts.Fatalf("no such process")
	}
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	for deadline := time.Now().Add(5 * time.Second); rig.Alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("process %d is still there", pid)
		}
	}
}

// setenv NAME FILE: the variable becomes the file's words, joined by a space;
// stdout is the last command's output.
func setenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv NAME FILE")
	}
	ts.Setenv(args[0], strings.Join(strings.Fields(ts.ReadFile(args[1])), " "))
}

// gone PID: the process ends within five seconds.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone PID")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(5 * time.Second); rig.Alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("process %d is still there", pid)
		}
	}
}
