package monitor

import (
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for file descriptors and timers, and calls who asked for them.
// It takes one event at a time, so a handler may close any descriptor
// without another, stale event about it being on its way.
type loop struct {
	epoll    int
	handlers map[int]func(events uint32)
	timers   []*timer
	event    [1]unix.EpollEvent
}

type timer struct {
	at time.Time
	do func()
}

func (l *loop) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return wrap("cannot make an epoll", err)
	}
	l.epoll, l.handlers = fd, make(map[int]func(uint32), 8)
	return nil
}

func (l *loop) add(fd int, events uint32, do func(events uint32)) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return wrap("cannot watch a file", err)
	}
	l.handlers[fd] = do
	return nil
}

// want changes what fd is watched for; 0 leaves errors and hang-ups only.
func (l *loop) want(fd int, events uint32) {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &ev) // fd is registered: nothing can fail
}

func (l *loop) remove(fd int) {
	if _, ok := l.handlers[fd]; !ok {
		return
	}
	delete(l.handlers, fd)
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// after calls do once d has passed, unless cancelled before.
func (l *loop) after(d time.Duration, do func()) *timer {
	t := &timer{time.Now().Add(d), do}
	l.timers = append(l.timers, t)
	return t
}

// cancel forgets t, which may be nil or have fired already.
func (l *loop) cancel(t *timer) {
	for i := range l.timers {
		if l.timers[i] == t {
			l.timers = append(l.timers[:i], l.timers[i+1:]...)
			return
		}
	}
}

// wait waits for one event or timer and handles it.
func (l *loop) wait() error {
	n, err := unix.EpollWait(l.epoll, l.event[:], l.timeout())
	if err != nil && err != unix.EINTR {
		return err
	}
	if n == 1 {
		if do := l.handlers[int(l.event[0].Fd)]; do != nil {
			do(l.event[0].Events)
		}
	}
	l.fire()
	return nil
}

// timeout is the time to the next timer in milliseconds, rounded up.
func (l *loop) timeout() int {
	if len(l.timers) == 0 {
		return -1
	}
	next := l.timers[0].at
	for _, t := range l.timers[1:] {
		if t.at.Before(next) {
			next = t.at
		}
	}
	d := time.Until(next)
	return int(max(0, min(d+time.Millisecond-1, time.Hour)) / time.Millisecond)
}

// fire calls at most one timer that is due: it may change the others.
func (l *loop) fire() {
	if len(l.timers) == 0 {
		return
	}
	now := time.Now()
	for i, t := range l.timers {
		if !t.at.After(now) {
			l.timers = append(l.timers[:i], l.timers[i+1:]...)
			t.do()
			return
		}
	}
}
