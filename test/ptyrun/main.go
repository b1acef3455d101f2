// Command ptyrun runs a program on a terminal of its own and plays a script
// against it:
//
//	ptyrun [-rows N] [-cols N] [-timeout D] SCRIPT PROGRAM [ARG...]
//
// SCRIPT is a file, one step per line, # starts a comment:
//
//	expect TEXT     wait until the output since the last match holds TEXT
//	send TEXT       type TEXT; \r \n \t \\ \xHH and \cX (control-X) are known
//	resize ROWS COLS
//	signal NAME     send the program a signal (INT, TERM, KILL, WINCH ...)
//	raw             the terminal must be in raw mode now
//	cooked          the terminal must not be in raw mode now
//	hangup          close the terminal
//
// After the last step ptyrun reads until the program ends. All output goes to
// stdout; the exit code is the program's (128+n for a signal), or 97 when a
// step fails. What a terminal turns into \r\n arrives as \r\n.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	rows := flag.Uint("rows", 24, "rows of the terminal")
	cols := flag.Uint("cols", 80, "columns of the terminal")
	timeout := flag.Duration("timeout", 20*time.Second, "most time a step may take")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: ptyrun [options] SCRIPT PROGRAM [ARG...]")
		os.Exit(2)
	}
	code, err := run(flag.Arg(0), flag.Args()[1:], uint16(*rows), uint16(*cols), *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ptyrun:", err)
		os.Exit(97)
	}
	os.Exit(code)
}

func run(script string, argv []string, rows, cols uint16, timeout time.Duration) (int, error) {
	steps, err := readScript(script)
	if err != nil {
		return 0, err
	}
	master, slave, err := openTerminal()
	if err != nil {
		return 0, fmt.Errorf("cannot open a terminal: %w", err)
	}
	if err := resize(slave, rows, cols); err != nil {
		return 0, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	s := &session{cmd: cmd, master: master, slave: slave, timeout: timeout, fresh: make(chan struct{}, 1)}
	go s.read()
	for _, step := range steps {
		if err := s.play(step); err != nil {
			_ = cmd.Process.Kill() // it may have ended by itself
			return 0, fmt.Errorf("step %q: %w; output since the last match: %q", step, err, s.pending())
		}
	}
	return s.finish()
}

func readScript(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var steps []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && line[0] != '#' {
			steps = append(steps, line)
		}
	}
	return steps, lines.Err()
}

// openTerminal returns both ends of a new pseudoterminal, see pts(4).
func openTerminal() (master, slave *os.File, err error) {
	// Not blocking, so that a hangup can close it under a waiting read.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	return master, slave, err
}

func resize(slave *os.File, rows, cols uint16) error {
	return unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
}

// session is a running program and what it has written.
type session struct {
	cmd           *exec.Cmd
	master, slave *os.File
	timeout       time.Duration

	mu     sync.Mutex
	output bytes.Buffer // since the last match
	ended  bool         // the terminal gave its last byte
	fresh  chan struct{}
}

func (s *session) read() {
	buf := make([]byte, 32<<10)
	for {
		n, err := s.master.Read(buf)
		os.Stdout.Write(buf[:n])
		s.mu.Lock()
		s.output.Write(buf[:n])
		s.ended = err != nil
		s.mu.Unlock()
		select {
		case s.fresh <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *session) pending() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

func (s *session) play(step string) error {
	verb, arg, _ := strings.Cut(step, " ")
	switch verb {
	case "expect":
		return s.expect(arg)
	case "send":
		text, err := unquote(arg)
		if err != nil {
			return err
		}
		_, err = s.master.WriteString(text)
		return err
	case "resize":
		var rows, cols uint16
		if _, err := fmt.Sscan(arg, &rows, &cols); err != nil {
			return err
		}
		return resize(s.slave, rows, cols)
	case "signal":
		number := unix.SignalNum("SIG" + arg)
		if number == 0 {
			return errors.New("no such signal")
		}
		return s.cmd.Process.Signal(number)
	case "raw":
		return s.mode(true)
	case "cooked":
		return s.mode(false)
	case "hangup":
		return errors.Join(s.slave.Close(), s.master.Close())
	}
	return errors.New("no such step")
}

// expect waits for text and forgets the output up to its end.
func (s *session) expect(text string) error {
	deadline := time.After(s.timeout)
	for {
		s.mu.Lock()
		at, ended := bytes.Index(s.output.Bytes(), []byte(text)), s.ended
		if at >= 0 {
			s.output.Next(at + len(text))
		}
		s.mu.Unlock()
		if at >= 0 {
			return nil
		}
		if ended {
			return errors.New("the program ended first")
		}
		select {
		case <-s.fresh:
		case <-deadline:
			return fmt.Errorf("not seen in %s", s.timeout)
		}
	}
}

// mode waits until the terminal is raw, or is not.
func (s *session) mode(raw bool) error {
	for deadline := time.Now().Add(s.timeout); ; time.Sleep(5 * time.Millisecond) {
		t, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
		if err != nil {
			return err
		}
		if (t.Lflag&(unix.ICANON|unix.ECHO) == 0) == raw {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the terminal did not get there in %s", s.timeout)
		}
	}
}

// finish waits for the program's end and for the last of its output.
func (s *session) finish() (int, error) {
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(s.timeout):
		_ = s.cmd.Process.Kill()
		return 0, fmt.Errorf("the program did not end in %s; output since the last match: %q", s.timeout, s.pending())
	}
	// Closing our copy makes the master report the end once all was read.
	s.slave.Close()
	for deadline := time.Now().Add(s.timeout); !s.done() && time.Now().Before(deadline); {
		select {
		case <-s.fresh:
		case <-time.After(10 * time.Millisecond):
		}
	}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		if status := ee.Sys().(syscall.WaitStatus); status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return ee.ExitCode(), nil
	}
	return 0, err
}

func (s *session) done() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// unquote resolves \cX, and Go's own escapes.
func unquote(text string) (string, error) {
	var out strings.Builder
	for len(text) > 0 {
		if strings.HasPrefix(text, `\c`) && len(text) > 2 {
			out.WriteByte(text[2] & 0x1f)
			text = text[3:]
			continue
		}
		r, multibyte, rest, err := strconv.UnquoteChar(text, 0)
		if err != nil {
			return "", fmt.Errorf("cannot read %q: %w", text, err)
		}
		if r < 0x80 || multibyte {
			out.WriteRune(r)
		} else {
			out.WriteByte(byte(r))
		}
		text = rest
	}
	return out.String(), nil
}
