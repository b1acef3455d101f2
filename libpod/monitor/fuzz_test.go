package monitor

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// fuzzSupervisor is a monitor of nothing, with one client whose other end
// nobody reads.
func fuzzSupervisor(t *testing.T) (*supervisor, *client) {
	t.Helper()
	s := &supervisor{dir: t.TempDir(), listener: -1, recordFD: -1}
	s.run.pidfd, s.stdin.fd = -1, -1
	s.streams[0].fd, s.streams[1].fd = -1, -1
	if err := s.loop.open(); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.addClient(pair[0]); err != nil {
		t.Fatal(err)
	}
	c := s.clients[0]
	t.Cleanup(func() {
		c.drop()
		unix.Close(pair[1])
		unix.Close(s.loop.epoll)
	})
	return s, c
}

func recordSlots(f *testing.F) []byte {
	f.Helper()
	path := filepath.Join(f.TempDir(), "record")
	if err := CreateRecordFile(path); err != nil {
		f.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	for range 2 {
		if err := WriteRecord(int(file.Fd()), &Record{State: StateExited}); err != nil {
			f.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return data
}
