package monitor

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"golang.org/x/sys/unix"
)

// client is one connection. All clients hear of the container's state, those
// attached get its output too.
type client struct {
	s       *supervisor
	fd      int
	streams byte // Stream bits, 0 unless attached
	claimed bool // removes the container at its end
	left    bool // said MsgDetach
	starts  bool // it is the one to send MsgStart
	queue   []packet
	owed    int // bytes of stdin taken from it and not credited yet
	unread  int // bytes of stdin it sent and the container has not taken
}

// packet is a message that waits for its client.
type packet struct {
	data []byte
	// shared: data is ioBuffer.packet's memory. It stays untouched, because
	// output is not read while a packet of an attached client waits.
	shared bool
}

func (p *packet) free() {
	if !p.shared {
		freeCopy(p.data)
	}
	p.data = nil
}

// unshare copies what is about to be overwritten: c does not hold up output
// any longer.
func (c *client) unshare() {
	for i := range c.queue {
		if p := &c.queue[i]; p.shared {
			p.data, p.shared = c.s.copyBytes(p.data), false
		}
	}
}

// maxQueue is how many messages wait for a client that does not read. Output
// never comes near it: reading stops while an attached client has a queue.
const maxQueue = 256

// lingerTime is how long clients may take to hear the last words.
const lingerTime = 10 * time.Second

// addLauncher makes a client of the socket we were started with, and listens
// to what it has said already.
func (s *supervisor) addLauncher() error {
	if err := unix.SetNonblock(LauncherFD, true); err != nil {
		return wrap("cannot use the launcher's socket", err)
	}
	if err := s.addClient(LauncherFD); err != nil {
		return err
	}
	s.clients[0].starts = !s.cfg.Start && !s.cfg.AwaitStart && !s.adopting
	return nil
}

func (s *supervisor) addClient(fd int) error {
	c := &client{s: s, fd: fd}
	s.garbage += 4 << 10
	if err := s.loop.add(fd, unix.EPOLLIN, c.ready); err != nil {
		return err
	}
	s.clients = append(s.clients, c)
	return nil
}

func (s *supervisor) onConnect(uint32) { s.acceptAll() }

func (s *supervisor) acceptAll() {
	for s.listener >= 0 {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return
		}
		if s.addClient(fd) != nil {
			unix.Close(fd)
		}
	}
}

// ready handles what epoll saw on a client's socket.
func (c *client) ready(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.flush()
	}
	if c.fd >= 0 && events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) != 0 {
		c.receive()
	}
}

// receive takes one message and tells whether there may be more.
func (c *client) receive() bool {
	buf := c.s.io.message()
	n, _, flags, _, err := unix.Recvmsg(c.fd, buf, nil, unix.MSG_DONTWAIT)
	if err == unix.EAGAIN {
		return false
	}
	// ECONNRESET comes once, from a client that left without reading all it was
	// sent; what it said before that is still to be had.
	if err == unix.EINTR || err == unix.ECONNRESET {
		return true
	}
	if err != nil || n <= 0 {
		c.drop()
		return false
	}
	if flags&unix.MSG_TRUNC != 0 {
		c.refuse(Kind(buf[0]), "the message is too long")
	} else {
		c.s.handle(c, Kind(buf[0]), buf[1:n])
	}
	return c.fd >= 0
}

// handle obeys one message.
func (s *supervisor) handle(c *client, kind Kind, p []byte) {
	if len(p) != payloadSize(kind) && payloadSize(kind) >= 0 {
		c.refuse(kind, "the message has a wrong length")
		return
	}
	switch kind {
	case MsgAttach:
		s.attach(c, p[0])
	case MsgWatch:
		c.sendStatus()
		s.tellPast(c)
	case MsgStdin:
		s.takeStdin(c, p)
	case MsgStdinEOF:
		s.stdin.finish(s)
	case MsgResize:
		s.console.resize(binary.LittleEndian.Uint16(p), binary.LittleEndian.Uint16(p[2:]))
	case MsgSignal:
		s.handleSignal(c, unix.Signal(binary.LittleEndian.Uint32(p)))
	case MsgStop:
		s.handleStop(c, binary.LittleEndian.Uint32(p), int32(binary.LittleEndian.Uint32(p[4:])))
	case MsgStart:
		s.handleStart(c)
	case MsgDetach:
		c.left = true
		s.detached(c)
		c.send(MsgDone, []byte{byte(kind)}) // no output comes behind it
	case MsgClaimRemove:
		c.claimed = true
		c.send(MsgDone, []byte{byte(kind)})
	case MsgRemoved:
		c.claimed = false
		s.removed = true
		s.leaveIfDone()
	case MsgReload:
		s.handleReload(c)
	case MsgCheck:
		s.handleCheck(c)
	default:
		c.refuse(kind, "the monitor does not know this message")
	}
}

// payloadSize is how long a message from a client must be, -1: any length.
func payloadSize(kind Kind) int {
	switch kind {
	case MsgAttach:
		return 1
	case MsgResize, MsgSignal:
		return 4
	case MsgStop:
		return 8
	case MsgStdinEOF, MsgStart, MsgDetach, MsgClaimRemove, MsgRemoved, MsgReload, MsgWatch, MsgCheck:
		return 0
	}
	return -1
}

func (s *supervisor) handleSignal(c *client, sig unix.Signal) {
	switch s.state {
	case creating, starting: // not lost: it is sent when the process runs
		s.run.queue = append(s.run.queue, sig)
		c.send(MsgDone, []byte{byte(MsgSignal)})
		return
	case running, stopping:
	default:
		c.refuse(MsgSignal, "the container is not running")
		return
	}
	if err := s.signal(sig); err != nil {
		c.refuse(MsgSignal, wrap("cannot signal the container", err).Error())
		return
	}
	c.send(MsgDone, []byte{byte(MsgSignal)})
}

func (s *supervisor) handleStop(c *client, sig uint32, seconds int32) {
	if sig > 64 || seconds < -1 {
		c.refuse(MsgStop, "there is no such signal or time")
		return
	}
	s.tellPast(c)
	s.requestStop(stopRequest{byUser: true, signal: unix.Signal(sig), seconds: int(seconds)})
}

func (s *supervisor) handleStart(c *client) {
	switch s.state {
	case created:
		s.start()
	case running:
		c.send(MsgStarted, binary.LittleEndian.AppendUint32(nil, uint32(s.rec.PID)))
	case creating, starting: // MsgStarted comes
		s.cfg.Start = true
	default:
		c.refuse(MsgStart, "the container has ended")
	}
}

func (s *supervisor) handleReload(c *client) {
	old := s.cfg.Health
	if err := s.readConfig(); err != nil {
		c.refuse(MsgReload, err.Error())
		return
	}
	s.reloadHealth(&old)
	c.send(MsgDone, []byte{byte(MsgReload)})
}

func (s *supervisor) attach(c *client, streams byte) {
	c.unshare()
	c.streams, c.left = streams, false
	c.sendStatus()
	s.backlog.give(c)
	s.tellPast(c)
	if s.state == running && streams != 0 {
		s.event("attach")
	}
}

// tellPast tells a client that came late how the container ended.
func (s *supervisor) tellPast(c *client) {
	if s.rec.State == StateExited && s.state != draining {
		if s.run.failed {
			c.send(MsgFailed, append([]byte{byte(s.run.code)}, trimTo(s.rec.Error, MaxPayload-1)...))
		} else {
			c.send(MsgExited, exitPayload(s.rec.ExitCode, false))
		}
	}
	if s.state == ended {
		c.send(MsgCleaned, nil)
	}
}

func (c *client) sendStatus() {
	body, err := json.Marshal(&c.s.rec)
	if err == nil {
		c.send(MsgStatus, body)
	}
}

func (c *client) refuse(kind Kind, text string) {
	c.send(MsgRefused, append([]byte{byte(kind)}, text...))
}

// tell sends a message to every client.
func (s *supervisor) tell(kind Kind, p []byte) {
	for i := len(s.clients) - 1; i >= 0; i-- { // send may drop the client
		s.clients[i].send(kind, p)
	}
}

func (s *supervisor) tellPID(kind Kind) {
	s.tell(kind, binary.LittleEndian.AppendUint32(nil, uint32(s.rec.PID)))
}

func (s *supervisor) tellExit(again bool) { s.tell(MsgExited, exitPayload(s.rec.ExitCode, again)) }

func exitPayload(code int, again bool) []byte {
	p := append(binary.LittleEndian.AppendUint32(nil, uint32(code)), 0)
	if again {
		p[4] = 1
	}
	return p
}

func (c *client) send(kind Kind, p []byte) {
	c.sendPacket(append([]byte{byte(kind)}, p...), false)
}

// sendPacket sends a whole message, or later what is in it then (shared) or
// was in it now.
func (c *client) sendPacket(msg []byte, shared bool) {
	if c.fd < 0 {
		return
	}
	if len(c.queue) == 0 {
		err := unix.Sendto(c.fd, msg, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
		if err == nil {
			return
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			c.drop()
			return
		}
		c.s.loop.want(c.fd, unix.EPOLLIN|unix.EPOLLOUT)
	}
	if len(c.queue) >= maxQueue {
		c.drop()
		return
	}
	if !shared {
		msg = c.s.copyBytes(msg)
	}
	c.queue = append(c.queue, packet{msg, shared})
	c.s.throttle()
}

// flush sends what waits, as far as the socket takes it.
func (c *client) flush() {
	for len(c.queue) > 0 {
		err := unix.Sendto(c.fd, c.queue[0].data, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
		if err == unix.EAGAIN || err == unix.EINTR {
			return
		}
		if err != nil {
			c.drop()
			return
		}
		c.queue[0].free()
		c.queue = c.queue[1:]
	}
	c.queue = c.queue[:0]
	c.s.loop.want(c.fd, unix.EPOLLIN)
	c.s.throttle()
	c.s.leaveIfDone()
}

// drop forgets a client that hung up.
func (c *client) drop() {
	if c.fd < 0 {
		return
	}
	s := c.s
	s.loop.remove(c.fd)
	unix.Close(c.fd)
	c.fd = -1
	for i := range s.clients {
		if s.clients[i] == c {
			s.clients = append(s.clients[:i], s.clients[i+1:]...)
			break
		}
	}
	if c.streams&Stdin != 0 && !c.left && !s.attachedTo(Stdin) && !s.cfg.Terminal {
		s.stdin.finish(s)
	}
	for i := range c.queue {
		c.queue[i].free()
	}
	c.queue = nil
	if c.starts && !s.cfg.Start && s.rec.Started == 0 && (s.state == creating || s.state == created) {
		s.requestStop(stopRequest{seconds: 0}) // a start that was killed halfway
	}
	s.throttle()
	s.idleSoon()
	s.leaveIfDone()
}

// attachedTo tells whether a client is attached to one of the streams.
func (s *supervisor) attachedTo(streams byte) bool {
	for _, c := range s.clients {
		if c.streams&streams != 0 {
			return true
		}
	}
	return false
}

// leaveIfDone ends the monitor when nobody needs it any more: the one who
// promised to remove the container has done so or hung up, and all clients
// have heard everything.
func (s *supervisor) leaveIfDone() {
	if s.state != ended || s.leaving {
		return
	}
	for _, c := range s.clients {
		if c.claimed && s.cfg.Remove || len(c.queue) > 0 {
			return
		}
	}
	s.leaving = true
	s.leaveBehind()
}

// stopLingering leaves clients behind that do not read their last messages.
func (s *supervisor) stopLingering() {
	for i := len(s.clients) - 1; i >= 0; i-- {
		if c := s.clients[i]; len(c.queue) > 0 {
			c.drop()
		}
	}
}

// hangUp leaves all clients.
func (s *supervisor) hangUp() {
	for len(s.clients) > 0 {
		s.clients[len(s.clients)-1].drop()
	}
}
