package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// log is where messages go: the kernel's log, which is there at the start of
// the boot already, or standard error.
type log struct {
	out     io.Writer
	kernel  bool
	verbose bool
}

func newLog(o options) *log {
	l := &log{out: os.Stderr, verbose: o.verbose}
	if o.dryRun || o.noKmsg {
		return l
	}
	if kmsg, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
		l.out, l.kernel = kmsg, true // open until the program ends
	}
	return l
}

// Priorities of syslog(3).
const (
	priorityError   = 3
	priorityWarning = 4
	priorityDebug   = 7
)

func (l *log) print(priority int, text string) {
	for line := range strings.Lines(text) {
		line = fmt.Sprintf("quadlet-generator[%d]: %s", os.Getpid(), strings.TrimRight(line, "\n"))
		if l.kernel {
			line = fmt.Sprintf("<%d>%s", priority, line)
		}
		fmt.Fprintln(l.out, line)
	}
}

func (l *log) fail(text string) { l.print(priorityError, text) }
func (l *log) warn(text string) { l.print(priorityWarning, text) }

func (l *log) debug(text string) {
	if l.verbose {
		l.print(priorityDebug, text)
	}
}

// failAll prints the errors that err joins, and tells whether there are any.
func (l *log) failAll(err error) bool {
	if err == nil {
		return false
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range list.Unwrap() {
			l.failAll(e)
		}
		return true
	}
	l.fail(err.Error())
	return true
}
