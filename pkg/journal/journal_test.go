package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// listen is a journald that has not read anything yet.
func listen(t *testing.T) (path string, fd int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return path, fd
}

func TestFields(t *testing.T) {
	got := AppendField(AppendField(nil, "A", "one"), "B", "two\nlines")
	if want := "A=one\nB\n\x09\x00\x00\x00\x00\x00\x00\x00two\nlines\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An entry that no datagram holds comes as a file.
func TestSendSmallAndLarge(t *testing.T) {
	path, server := listen(t)
	small := AppendField(nil, "MESSAGE", "small")
	large := AppendField(nil, "MESSAGE", strings.Repeat("x", 8<<20))
	buf, oob := make([]byte, 1<<20), make([]byte, 64)
	for _, entry := range [][]byte{small, large} {
		if err := Send(path, entry); err != nil {
			t.Fatal(err)
		}
		n, oobn, _, _, err := unix.Recvmsg(server, buf, oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		got := buf[:n]
		if oobn > 0 {
			got = passedFile(t, oob[:oobn])
		}
		if !bytes.Equal(got, entry) {
			t.Errorf("%d bytes came of %d", len(got), len(entry))
		}
	}
}

func passedFile(t *testing.T, oob []byte) []byte {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	body := make([]byte, 16<<20)
	n, err := f.ReadAt(body, 0)
	if n == 0 {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("y"), 0); err == nil {
		t.Error("the file is not sealed")
	}
	return body[:n]
}

func TestNobodyListens(t *testing.T) {
	if err := Send(filepath.Join(t.TempDir(), "none"), []byte("MESSAGE=x\n")); err == nil {
		t.Error("sent to nobody")
	}
}
