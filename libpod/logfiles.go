package libpod

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// logFiles is a log that its writer rotates: PATH is the present file, PATH.1
// what was present before, and so on. They are read in the order they were
// written. A file, once open, is read to its end under whatever name it has
// by then, so a rotation loses and repeats nothing.
type logFiles struct {
	path  string
	list  []*os.File // still to be read, oldest first; never empty
	watch int        // inotify descriptor, -1: none
}

// openLogFiles opens all there are. A log nobody has written to yet counts as
// empty.
func openLogFiles(path string) (*logFiles, error) {
	l := &logFiles{path: path, watch: -1}
	var err error
	for range 50 { // between the two steps of a rotation there is no PATH
		if l.list, err = l.newer(nil); err != nil || len(l.list) > 0 {
			return l, err
		}
		if _, err := os.Stat(path + ".1"); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	l.list = []*os.File{f}
	return l, nil
}

func (l *logFiles) close() {
	for _, f := range l.list {
		f.Close()
	}
	if l.watch >= 0 {
		unix.Close(l.watch)
	}
}

// newer opens the files written after known (nil: all), oldest first. It
// starts at the newest: a rotation on the way then shows as a file that was
// opened already, and is skipped, where the other way round it would hide one.
func (l *logFiles) newer(known os.FileInfo) ([]*os.File, error) {
	var found []*os.File
	var infos []os.FileInfo
	missing := 0
	for n := 0; missing < 3; n++ { // a rotation leaves at most one gap at a time
		f, err := os.Open(l.name(n))
		if errors.Is(err, os.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if known != nil && os.SameFile(info, known) {
			f.Close()
			break
		}
		if seen(infos, info) {
			f.Close()
			continue
		}
		found, infos = append([]*os.File{f}, found...), append(infos, info)
	}
	return found, nil
}

func seen(infos []os.FileInfo, info os.FileInfo) bool {
	for _, i := range infos {
		if os.SameFile(i, info) {
			return true
		}
	}
	return false
}

func (l *logFiles) name(n int) string {
	if n == 0 {
		return l.path
	}
	return l.path + "." + strconv.Itoa(n)
}

// read reads on; io.EOF means that nothing more is there now.
func (l *logFiles) read(p []byte) (int, error) {
	for {
		// Which files there are is looked up before the end of this one is
		// believed: its writer has left it then, and it grows no more.
		if err := l.lookForNewer(); err != nil {
			return 0, err
		}
		n, err := l.list[0].Read(p)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		if len(l.list) == 1 {
			return 0, io.EOF
		}
		l.list[0].Close()
		l.list = l.list[1:]
	}
}

func (l *logFiles) lookForNewer() error {
	last, err := l.list[len(l.list)-1].Stat()
	if err != nil {
		return err
	}
	present, err := os.Stat(l.path)
	if err != nil || os.SameFile(last, present) { // no PATH: in the middle of a rotation, or removed
		return nil
	}
	more, err := l.newer(last)
	l.list = append(l.list, more...)
	return err
}

// wait returns true when the log's directory has changed, false after a while
// in which it has not.
func (l *logFiles) wait(ctx context.Context) bool {
	const patience = 100 // milliseconds
	if l.watch < 0 {
		l.watchDir()
	}
	if l.watch < 0 {
		select {
		case <-ctx.Done():
		case <-time.After(patience * time.Millisecond):
		}
		return false
	}
	fds := []unix.PollFd{{Fd: int32(l.watch), Events: unix.POLLIN}}
	n, _ := unix.Poll(fds, patience)
	if n <= 0 {
		return false
	}
	var buf [4096]byte
	_, _ = unix.Read(l.watch, buf[:])
	return true
}

// watchDir asks for notice; without it (the user's inotify instances are used
// up) wait looks again and again.
func (l *logFiles) watchDir() {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return
	}
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(l.path), unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return
	}
	l.watch = fd
}
