package rig

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// The copy inherits these two pipes from a parent that is root: it writes pids
// to one and reads their PSS from the other. Helpers that made themselves
// undumpable, pasta among them, show their memory to root only.
const (
	askFD    = 3
	answerFD = 4
)

// PSS is a process's proportional set size in KiB.
func (h *Host) PSS(pid int) (int, error) {
	if kib, err := readPSS(pid); err == nil {
		return kib, nil
	}
	if _, err := fmt.Fprintln(h.ask, pid); err != nil {
		return 0, fmt.Errorf("cannot read the memory of process %d: neither readable nor a parent to ask", pid)
	}
	var kib int
	if _, err := fmt.Fscanln(h.answer, &kib); err != nil {
		return 0, fmt.Errorf("cannot learn the memory of process %d: %w", pid, err)
	}
	if kib < 0 {
		return 0, fmt.Errorf("cannot learn the memory of process %d: it is gone", pid)
	}
	return kib, nil
}

// answerPSS serves a copy until it ends; -1 says that there is no such process.
func answerPSS(ask io.Reader, answer io.Writer) {
	for questions := bufio.NewScanner(ask); questions.Scan(); {
		kib := -1
		if v, err := readPSS(pidOf(questions.Text())); err == nil {
			kib = v
		}
		fmt.Fprintln(answer, kib)
	}
}

func readPSS(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("no Pss of process %d", pid)
}
