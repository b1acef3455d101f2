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
	in, out, text, words []byte
}

const textSize = 128 << 10

func (b *ioBuffer) message() []byte { return lazyMap(&b.in, MaxPayload+1) }
func (b *ioBuffer) packet() []byte  { return lazyMap(&b.out, MaxPayload+1) }
func (b *ioBuffer) answer() []byte  { return lazyMap(&b.words, maxOutput) }
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

// keepLarge is from which size on bytes that have to wait are copied into
// memory of their own rather than to the heap, where they would be rubbish.
const keepLarge = 4 << 10

func (s *supervisor) copyBytes(p []byte) []byte {
	if len(p) < keepLarge {
		s.garbage += len(p)
		return append([]byte(nil), p...)
	}
	b := mapMemory(len(p))
	copy(b, p)
	return b
}

// freeCopy gives back what copyBytes returned, all of it.
func freeCopy(b []byte) {
	if len(b) >= keepLarge {
		unmapMemory(b)
	}
}

func unmapMemory(b []byte) { _ = unix.Munmap(b[:cap(b)]) }

func (b *ioBuffer) release() {
	for _, p := range [][]byte{b.in, b.out, b.text, b.words} {
		if p != nil {
			_ = unix.Madvise(p, unix.MADV_DONTNEED)
		}
	}
}

// quietTime is how long nothing must have happened before memory is given back.
const quietTime = 500 * time.Millisecond

// garbageLimit is how much rubbish is worth a collection, whose own tables
// take 200 kB.
const garbageLimit = 512 << 10

// idleSoon gives memory back once the container has been quiet for a while.
func (s *supervisor) idleSoon() {
	s.cancel(s.dozer)
	s.dozer = nil
	if s.idle == nil {
		s.idle = s.after(quietTime, s.becomeIdle)
		return
	}
	s.idle.at = time.Now().Add(quietTime)
}

// answerTime is how long after an answer memory is given back: what comes next
// is a question, which costs far more than the pages it needs.
const answerTime = 200 * time.Millisecond

func (s *supervisor) idleAfterAnswer() {
	if s.idle == nil {
		s.idle = s.after(answerTime, s.becomeIdle)
	}
}

// becomeIdle gives back what a monitor needs to start and to pump, but not
// to wait: garbage, buffers, and the pages of the program that have been run.
func (s *supervisor) becomeIdle() {
	s.idle = nil
	if s.blocked() {
		s.idleSoon() // a client still has to get what is in there
		return
	}
	s.io.release()
	if s.garbage > garbageLimit {
		s.garbage = 0
		debug.FreeOSMemory()
	}
	if s.programRanges == nil {
		s.programRanges = splitProgram()
	}
	// In a moment: this function has itself touched much, and the Go runtime's
	// own thread goes to sleep only then.
	s.after(settleTime, func() {
		if s.idle != nil {
			return // busy again
		}
		for _, r := range s.programRanges {
			advise(r.from, r.to, unix.MADV_DONTNEED)
		}
		s.dozeSoon()
	})
}

const settleTime = 100 * time.Millisecond

// pageGroup is how much of the program the kernel may map around a page that
// is touched.
const pageGroup = 8 << 10

type addressRange struct{ from, to uintptr }

// splitProgram returns our private read-only mappings of files (program text
// and constants), which can be dropped: the kernel reads back from its cache
// what is used again, with the surroundings. These are 64 KiB, or from Linux
// 6.18 on a whole folio, which may be all of the program; but the bounds of a
// mapping limit them. So ours are cut into small ones by giving each other
// group a different flag: not being part of core dumps has no further effect.
func splitProgram() []addressRange {
	maps, err := readFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	var found []addressRange
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line) // address perms offset dev inode path
		if len(f) < 6 || f[5][0] != '/' || f[1][1] == 'w' || f[1][3] != 'p' {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil {
			r := addressRange{uintptr(start), uintptr(end)}
			found = append(found, r)
			for at := r.from; at < r.to; at += 2 * pageGroup {
				advise(at, min(at+pageGroup, r.to), unix.MADV_DONTDUMP)
			}
		}
	}
	return found
}

func advise(from, to uintptr, advice int) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, uintptr(advice))
}
