package spec

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Real-time signals as C libraries number them: the kernel's first two (32
// and 33) are taken by the threads implementation.
const (
	sigRTMin = 34
	sigRTMax = 64
)

// ParseSignal reads a signal's number or name: 15, TERM, SIGTERM, RTMIN+3,
// SIGRTMAX-1, either case.
func ParseSignal(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > sigRTMax {
			return 0, fmt.Errorf("invalid signal: %s", s)
		}
		return n, nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n := int(unix.SignalNum("SIG" + name)); n > 0 {
		return n, nil
	}
	if n, ok := realTimeSignal(name); ok {
		return n, nil
	}
	return 0, fmt.Errorf("invalid signal: %s", s)
}

func realTimeSignal(name string) (int, bool) {
	switch {
	case name == "RTMIN":
		return sigRTMin, true
	case name == "RTMAX":
		return sigRTMax, true
	case strings.HasPrefix(name, "RTMIN+"):
		n, err := strconv.ParseUint(name[len("RTMIN+"):], 10, 8)
		return sigRTMin + int(n), err == nil && sigRTMin+n <= sigRTMax
	case strings.HasPrefix(name, "RTMAX-"):
		n, err := strconv.ParseUint(name[len("RTMAX-"):], 10, 8)
		return sigRTMax - int(n), err == nil && n <= sigRTMax-sigRTMin
	}
	return 0, false
}

// SignalNames are the names that can be typed for the signals of signal(7), and
// the first and the last of the real-time ones.
func SignalNames() []string {
	var names []string
	for n := 1; n < 32; n++ {
		if name := unix.SignalName(syscall.Signal(n)); name != "" {
			names = append(names, strings.TrimPrefix(name, "SIG"))
		}
	}
	return append(names, "RTMIN", "RTMAX")
}
