package monitor

import "encoding/binary"

// backlogSize is how much output is kept for the next client after one has
// detached.
const backlogSize = 64 << 10

// backlog keeps the latest output while nobody is attached: packets one
// after another, each behind its length.
type backlog struct {
	on   bool
	data []byte
}

// detached obeys MsgDetach.
func (s *supervisor) detached(c *client) {
	c.unshare()
	c.streams = 0
	s.throttle()
	if !s.attachedTo(Stdout | Stderr) {
		s.backlog.on = true
	}
}

// keep appends a packet (kind and output).
func (b *backlog) keep(packet []byte) {
	if !b.on {
		return
	}
	if b.data == nil {
		b.data = mapMemory(2 * backlogSize)[:0]
	}
	if len(b.data)+4+len(packet) > cap(b.data) {
		b.shrink(backlogSize - len(packet))
	}
	b.data = binary.LittleEndian.AppendUint32(b.data, uint32(len(packet)))
	b.data = append(b.data, packet...)
}

// shrink forgets the oldest packets until at most size bytes are left.
func (b *backlog) shrink(size int) {
	at := 0
	for len(b.data)-at > size {
		at += 4 + int(binary.LittleEndian.Uint32(b.data[at:]))
	}
	b.data = b.data[:copy(b.data, b.data[at:])]
}

// give sends what was kept to a client that has attached, and ends keeping.
func (b *backlog) give(c *client) {
	if !b.on || c.streams&(Stdout|Stderr) == 0 {
		return
	}
	b.shrink(backlogSize)
	for at := 0; at < len(b.data); {
		n := int(binary.LittleEndian.Uint32(b.data[at:]))
		packet := b.data[at+4 : at+4+n]
		if Kind(packet[0]) == MsgStdout && c.streams&Stdout != 0 || Kind(packet[0]) == MsgStderr && c.streams&Stderr != 0 {
			c.sendPacket(packet, false)
		}
		at += 4 + n
	}
	b.on = false
	if b.data != nil {
		unmapMemory(b.data)
		b.data = nil
	}
}
