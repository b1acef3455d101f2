package monitor

import (
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ioBuffer is the memory that bytes pass through. It is mapped on first use
// and given back when the container has been quiet for a while.
type ioBuffer struct {
	in, out, text []byte
}

const textSize = 128 << 10

func (b *ioBuffer) message() []byte { return lazyMap(&b.in, MaxPayload+1) }
func (b *ioBuffer) packet() []byte  { return lazyMap(&b.out, MaxPayload+1) }
func (b *ioBuffer) lines() []byte   { return lazyMap(&b.text, textSize) }

func lazyMap(p *[]byte, size int) []byte {
	if *p == nil {
		*p = mapMemory(size)
	}
	return *p
}

func mapMemory(size int) []byte {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, size)
	}
	return b
}

func unmapMemory(b []byte) { _ = unix.Munmap(b[:cap(b)]) }

func (b *ioBuffer) release() {
	for _, p := range [][]byte{b.in, b.out, b.text} {
		if p != nil {
			_ = unix.Madvise(p, unix.MADV_DONTNEED)
		}
	}
}

// quietTime is how long nothing must have happened before memory is given back.
const quietTime = 2 * time.Second

// idleSoon gives memory back once the container has been quiet for a while.
func (s *supervisor) idleSoon() {
	if s.idle == nil {
		s.idle = s.after(quietTime, s.becomeIdle)
		return
	}
	s.idle.at = time.Now().Add(quietTime)
}

// becomeIdle gives back what a monitor needs to start and to pump, but not
// to wait: garbage, buffers, and the pages of the program that have been run.
func (s *supervisor) becomeIdle() {
	s.idle = nil
	s.io.release()
	debug.FreeOSMemory()
	forgetProgramPages()
}

// forgetProgramPages drops our private read-only mappings of files (program
// text and constants). The kernel reads back from its cache what is used again.
func forgetProgramPages() {
	maps, err := readFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line) // address perms offset dev inode path
		if len(f) < 6 || f[5][0] != '/' || f[1][1] == 'w' || f[1][3] != 'p' {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED)
		}
	}
}
