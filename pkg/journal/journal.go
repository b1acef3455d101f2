// Package journal writes entries to systemd-journald in its native protocol
// (systemd, docs/JOURNAL_NATIVE_PROTOCOL.md).
package journal

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is where journald takes entries, each as one datagram.
const Socket = "/run/systemd/journal/socket"

// Here tells whether this host has a journald.
func Here() bool { return unix.Access(Socket, unix.F_OK) == nil }

// AppendField appends one field. A value with a newline goes behind its
// length, as the protocol asks.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	if strings.Contains(value, "\n") {
		dst = append(dst, '\n')
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(value)))
		return append(append(dst, value...), '\n')
	}
	return append(append(append(dst, '='), value...), '\n')
}

// Dial connects to the journald at a socket.
func Dial(socket string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// SendTo sends an entry over a socket of Dial's, and waits no longer than
// patience for journald to take it: EAGAIN says that it did not.
func SendTo(fd int, entry []byte, patience time.Duration) error {
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
	for {
		err := unix.Sendto(fd, entry, unix.MSG_NOSIGNAL, nil)
		if err == unix.EMSGSIZE || err == unix.ENOBUFS {
			err = sendLarge(fd, entry)
		}
		if err != unix.EINTR {
			return err
		}
	}
}

// sendLarge sends what is too large for a datagram as a sealed file.
func sendLarge(fd int, entry []byte) error {
	file, err := unix.MemfdCreate("journal-entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	for len(entry) > 0 {
		n, err := unix.Write(file, entry)
		if err != nil {
			return err
		}
		entry = entry[n:]
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(file), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return unix.Sendmsg(fd, nil, unix.UnixRights(file), nil, unix.MSG_NOSIGNAL)
}

// Send sends one entry to the journald at a socket.
func Send(socket string, entry []byte) error {
	fd, err := Dial(socket)
	if err != nil {
		return err
	}
	return errors.Join(SendTo(fd, entry, time.Second), unix.Close(fd))
}
