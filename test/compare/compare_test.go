// Package compare runs the same command lines with carob and with Debian's
// podman and compares exit codes, output and JSON keys. cases.txt holds the
// lines; differences_test.go those differences that are wanted, each with its
// reason.
package compare

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/test/rig"
)

// host is what TestMain was given.
var host *rig.Host

func TestMain(m *testing.M) {
	os.Exit(rig.Run([]rig.View{rig.CGroup2}, func(h *rig.Host) int {
		host = h
		return m.Run()
	}))
}

// peer is one of the two programs in a home of its own.
type peer struct {
	*rig.Place
	program string
}

func newPeer(t *testing.T, program string) *peer {
	t.Helper()
	place, err := host.NewPlace(filepath.Join(host.Root, program))
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{place, program}
	err = errors.Join(p.ConfigureEngine(), os.WriteFile(filepath.Join(p.Home, "secret.txt"), []byte("hidden"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.do(t, "rm", "-fa", "-t", "0")
		p.do(t, "system", "migrate")
		_ = exec.Command("unshare", "--map-root-user", "--map-auto", "rm", "-rf", p.Run).Run() // a leftover hurts nobody
	})
	for _, image := range []string{"busybox", "entry", "nocmd", "alice", "volume", "health"} {
		p.do(t, "load", "-q", "-i", filepath.Join(host.Images, image+".tar"))
	}
	return p
}

// answer is what a command line led to.
type answer struct {
	code   int
	stdout string
	stderr string
}

func (p *peer) ask(words []string) (answer, error) {
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = strings.NewReplacer("$IMAGES", host.Images, "$HOME", p.Home).Replace(w)
	}
	cmd := p.Command(p.program, args...)
	// Files, not pipes: what stays behind must not keep us waiting for the end of a pipe.
	out, err := os.CreateTemp(p.Home, "out")
	if err != nil {
		return answer{}, err
	}
	defer os.Remove(out.Name())
	errs, err := os.CreateTemp(p.Home, "err")
	if err != nil {
		return answer{}, err
	}
	defer os.Remove(errs.Name())
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		return answer{}, err
	}
	timer := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait() // the exit code tells
	a := answer{code: cmd.ProcessState.ExitCode()}
	stdout, err := os.ReadFile(out.Name())
	stderr, err2 := os.ReadFile(errs.Name())
	a.stdout, a.stderr = string(stdout), string(stderr)
	return a, errors.Join(err, err2)
}

// do is a step of the set-up, which must work.
func (p *peer) do(t *testing.T, words ...string) {
	t.Helper()
	a, err := p.ask(words)
	if err != nil || a.code != 0 {
		t.Errorf("%s %s: exit code %d %v: %s", p.program, strings.Join(words, " "), a.code, err, a.stderr)
	}
}

// line is a line of cases.txt.
type line struct {
	section string
	mode    string
	words   []string
}

func (l line) String() string { return strings.Join(l.words, " ") }

func readCases(t *testing.T) []line {
	t.Helper()
	b, err := os.ReadFile("cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []line
	section := ""
	for text := range strings.Lines(string(b)) {
		text = strings.TrimSpace(text)
		switch {
		case text == "" || text[0] == '#':
		case text[0] == '[':
			section = strings.Trim(text, "[]")
		default:
			words := split(text)
			lines = append(lines, line{section: section, mode: words[0], words: words[1:]})
		}
	}
	return lines
}

// split cuts at spaces outside single quotes.
func split(text string) []string {
	var words []string
	var word bytes.Buffer
	quoted, started := false, false
	for _, c := range []byte(text) {
		switch {
		case c == '\'':
			quoted, started = !quoted, true
		case c == ' ' && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}

func TestSameAsPodman(t *testing.T) {
	carob, podman := newPeer(t, "carob"), newPeer(t, "podman")
	excused := newExcuses()
	section := ""
	for _, l := range readCases(t) {
		if l.section != section {
			section = l.section
			for _, p := range []*peer{carob, podman} {
				p.do(t, "rm", "-fa", "-t", "0")
				p.do(t, "volume", "prune", "-f")
			}
		}
		ours, err := carob.ask(l.words)
		theirs, err2 := podman.ask(l.words)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		t.Run(section+" "+l.String(), func(t *testing.T) {
			for _, difference := range compare(l, ours, theirs) {
				if !excused.has(t, l, difference) {
					t.Errorf("%s %s: %s\n  carob stderr: %s\n  podman stderr: %s", l.mode, l, difference,
						strings.TrimSpace(ours.stderr), strings.TrimSpace(theirs.stderr))
				}
			}
		})
	}
	excused.report(t)
}

func compare(l line, ours, theirs answer) (differences []string) {
	if ours.code != theirs.code {
		return []string{fmt.Sprintf("exit code: %d, podman %d", ours.code, theirs.code)}
	}
	switch l.mode {
	case "same":
		if ours.stdout != theirs.stdout {
			return []string{fmt.Sprintf("stdout: %q, podman %q", ours.stdout, theirs.stdout)}
		}
	case "json":
		return compareKeys(ours.stdout, theirs.stdout)
	}
	return nil
}
