package rig

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Result is how a command ended; Code is -1 for a death by signal.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Try runs a command. One that takes longer than limit hangs, which is an error
// with what its Go runtime says it waits for. The output goes to files in dir: a
// pipe would wait for everybody who holds its other end.
func (p *Place) Try(dir string, limit time.Duration, name string, args ...string) (r Result, err error) {
	out, err := os.CreateTemp(dir, "out")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, out.Close(), os.Remove(out.Name())) }()
	errs, err := os.CreateTemp(dir, "err")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, errs.Close(), os.Remove(errs.Name())) }()
	cmd := p.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		return r, err
	}
	timer := time.AfterFunc(limit, func() {
		_ = cmd.Process.Signal(syscall.SIGABRT)
		time.Sleep(time.Second)
		_ = cmd.Process.Kill() // gone is as good
	})
	_ = cmd.Wait() // the exit code tells
	hangs := !timer.Stop()
	stdout, err := os.ReadFile(out.Name())
	stderr, err2 := os.ReadFile(errs.Name())
	if hangs {
		return r, fmt.Errorf("hangs: %s", stderr)
	}
	return Result{cmd.ProcessState.ExitCode(), string(stdout), string(stderr)}, errors.Join(err, err2)
}
