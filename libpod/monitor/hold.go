package monitor

import "golang.org/x/sys/unix"

// hold keeps the terminal on its stdin for a process that everybody else has
// left, and throws the output away, until the process ends.
func hold() int {
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(0, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: 0, Events: unix.POLLIN}}, -1)
		case err != nil || n == 0:
			return 0
		}
	}
}
