package libpod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/pkg/termio"
)

// execStreams carry a process's input and output. They are copied (by the
// kernel, splice(2), where it can): what the process leaves running must not
// hold the caller's pipe open, a terminal of the caller's is none for the
// process, and the runtime, which gives the process's user the streams, must
// not change a file of the caller's. A pipe for input is handed over itself,
// unless SELinux keeps the process from reading what is not the container's.
type execStreams struct {
	o      *AttachOptions
	fifo   string // where labelled pipes are made
	label  string // of the pipes, "" for none
	out    []*outlet
	in     io.WriteCloser
	detach bool
	begun  bool
	eof    func()        // what the end of input means to the process
	left   chan struct{} // closed when the user has typed the detach keys
	child  []*os.File    // the process's ends, closed here once it has them
	tty    *execConsole
	ready  chan struct{} // closed when the terminal is here, or will not come
	ending chan struct{}
}

// outlet is one way out: from is read until its end and written to to.
type outlet struct {
	from *os.File
	to   io.Writer
	done chan struct{}
}

// connect gives the runtime's command its three streams.
func (x *execution) connect() (*execStreams, error) {
	s := &execStreams{
		o: &x.o.Streams, detach: x.o.Detach, left: make(chan struct{}), tty: x.tty, ready: make(chan struct{}), ending: make(chan struct{}),
		fifo: filepath.Join(x.c.RunDir(), "exec-"+x.id[:12]+".pipe"), label: x.c.pipeLabel(),
	}
	if x.o.Terminal || x.o.Detach {
		return s, nil // all three are /dev/null for the runtime
	}
	var err error
	if x.cmd.Stdin, err = s.input(); err != nil {
		return nil, err
	}
	if x.cmd.Stdout, err = s.output(s.o.Stdout); err != nil {
		return nil, err
	}
	x.cmd.Stderr, err = s.errors(x)
	return s, err
}

// errors is where the process's stderr goes: always through us, because the
// runtime writes its last words there too. One file for both streams stays
// one, and keeps their order.
func (s *execStreams) errors(x *execution) (io.Writer, error) {
	to := s.o.Stderr
	if to == nil {
		to = io.Discard
	}
	filter := &wordsFilter{to: to, x: x}
	out, ok1 := s.o.Stdout.(*os.File)
	err, ok2 := s.o.Stderr.(*os.File)
	if ok1 && ok2 && sameFile(out, err) {
		s.dropOutlets()
		w, err := s.output(filter)
		x.cmd.Stdout = w
		return w, err
	}
	return s.output(filter)
}

func sameFile(a, b *os.File) bool {
	x, err1 := a.Stat()
	y, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// dropOutlets takes back a pipe that was made for stdout.
func (s *execStreams) dropOutlets() {
	for _, o := range s.out {
		o.from.Close()
		s.child[len(s.child)-1].Close()
		s.child = s.child[:len(s.child)-1]
	}
	s.out = nil
}

// wordsFilter leaves out the runtime's own last words. They can only be the
// first ones, and the runtime writes them into its log a moment later.
type wordsFilter struct {
	to    io.Writer
	x     *execution
	begun bool
}

func (f *wordsFilter) Write(p []byte) (int, error) {
	if !f.begun && len(p) > 0 {
		f.begun = true
		if f.isRuntime(p) {
			return len(p), nil
		}
	}
	return f.to.Write(p)
}

func (f *wordsFilter) isRuntime(p []byte) bool {
	line := strings.TrimSuffix(string(p), "\n")
	if strings.Contains(line, "\n") {
		return false
	}
	patience := 3
	if monitor.MayBeRuntimeError(line) {
		patience = 200 // on a busy machine the moment is a long one
	}
	for range patience {
		over := f.x.runtimeEnded()
		if _, text := monitor.RuntimeError(f.x.oci.Name, f.x.logPath()); text != "" {
			return strings.Contains(text, line)
		}
		if over {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// runtimeEnded tells whether the runtime, which we have not waited for yet, has
// ended: then it writes no log any more.
func (x *execution) runtimeEnded() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, x.cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}

func (s *execStreams) input() (io.Reader, error) {
	if s.o.Stdin == nil {
		return nil, nil
	}
	if f, ok := s.o.Stdin.(*os.File); ok && s.label == "" && isPipe(f) {
		return f, nil
	}
	r, w, err := s.pipe(false)
	if err != nil {
		return nil, err
	}
	s.in, s.eof, s.child = w, func() { w.Close() }, append(s.child, r)
	return r, nil
}

func (s *execStreams) output(to io.Writer) (io.Writer, error) {
	if to == nil {
		return nil, nil
	}
	r, w, err := s.pipe(true)
	if err != nil {
		return nil, err
	}
	s.out, s.child = append(s.out, &outlet{from: r, to: to, done: make(chan struct{})}), append(s.child, w)
	return w, nil
}

// pipe is os.Pipe with the container's label. Our end, which is the one to read
// from for an output, is in Go's poller.
func (s *execStreams) pipe(output bool) (r, w *os.File, err error) {
	if s.label == "" {
		return os.Pipe()
	}
	from, to, err := monitor.Pipe(s.fifo, s.label, unix.O_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	ours := to
	if output {
		ours = from
	}
	if err := unix.SetNonblock(ours, true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(from), unix.Close(to))
	}
	return os.NewFile(uintptr(from), "pipe"), os.NewFile(uintptr(to), "pipe"), nil
}

func isPipe(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeNamedPipe != 0
}

// begin starts to copy, once the runtime was forked.
func (s *execStreams) begin() {
	for _, f := range s.child {
		f.Close()
	}
	s.child = nil
	s.begun = true
	if s.tty != nil {
		go s.useTerminal()
		return
	}
	for _, o := range s.out {
		go o.copy()
	}
	if s.in != nil {
		go s.feed()
	}
}

// useTerminal carries the terminal, which the runtime sends.
func (s *execStreams) useTerminal() {
	master, err := s.tty.accept()
	if err != nil {
		close(s.ready)
		return // the runtime has failed, and says why
	}
	o := &outlet{from: master, to: s.o.Stdout, done: make(chan struct{})}
	if o.to == nil {
		o.to = io.Discard
	}
	s.out, s.in = append(s.out, o), master
	close(s.ready)
	resize(master, s.o.Size)
	if s.detach {
		return // somebody else will hold it
	}
	go o.copy()
	if s.o.Stdin != nil {
		s.eof = func() { endInput(master) }
		go s.feed()
	}
	for {
		select {
		case size := <-s.o.Sizes:
			resize(master, size)
		case <-s.ending:
			return
		}
	}
}

// master is the terminal, nil when the runtime has sent none.
func (s *execStreams) master() *os.File {
	s.tty.stop()
	<-s.ready
	if len(s.out) == 0 {
		return nil
	}
	return s.out[0].from
}

// endInput types what the terminal calls the end of input, in the mode that
// knows one.
func endInput(master *os.File) {
	control(master, func(fd int) {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil && t.Lflag&unix.ICANON != 0 {
			_, _ = unix.Write(fd, []byte{t.Cc[unix.VEOF]})
		}
	})
}

// control does something with a file's descriptor, leaving it in the poller.
func control(f *os.File, act func(fd int)) {
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { act(int(fd)) })
	}
}

func resize(master *os.File, size termio.Size) {
	if size.Rows != 0 || size.Cols != 0 {
		control(master, func(fd int) {
			_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
		})
	}
}

// feed copies the input until its end or the detach keys, which only a
// terminal knows.
func (s *execStreams) feed() {
	var keys []byte
	if s.tty != nil {
		keys = s.o.DetachKeys
	}
	detacher := termio.NewDetacher(keys)
	in, out := make([]byte, monitor.MaxPayload), make([]byte, 0, monitor.MaxPayload)
	for {
		n, err := s.o.Stdin.Read(in)
		handOn, detached := detacher.Feed(out[:0], in[:n])
		if err != nil {
			handOn = detacher.Rest(handOn)
		}
		if _, err := s.in.Write(handOn); err != nil {
			return
		}
		if detached {
			close(s.left)
			return
		}
		if err != nil {
			s.eof()
			return
		}
	}
}

// drain brings out what the process has written before its end. Others that
// hold its streams open are not waited for.
func (s *execStreams) drain() {
	if s.tty != nil && s.master() == nil {
		return
	}
	for _, o := range s.out {
		select {
		case <-o.done:
			continue
		case <-time.After(10 * time.Millisecond):
		}
		_ = o.from.SetReadDeadline(time.Unix(1, 0))
		<-o.done
		o.rest()
	}
}

func (o *outlet) copy() {
	defer close(o.done)
	_, err := io.Copy(o.to, o.from)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		o.from.Close() // nobody reads any more: the process is to know
	}
}

// rest copies what can be read without waiting.
func (o *outlet) rest() {
	_ = o.from.SetReadDeadline(time.Time{})
	conn, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, monitor.MaxPayload)
	_ = conn.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n <= 0 {
				return true
			}
			if _, err := o.to.Write(buf[:n]); err != nil {
				return true
			}
		}
	})
}

func (s *execStreams) close() {
	close(s.ending)
	if s.tty != nil && s.begun {
		s.master()
	}
	for _, f := range s.child {
		f.Close()
	}
	for _, o := range s.out {
		o.from.Close()
	}
}

// execConsole is the socket over which the runtime sends a terminal (runc,
// docs/terminals.md). It is named through its directory's descriptor: a
// socket's address has room for 107 bytes.
type execConsole struct {
	dir      *os.File
	name     string
	listener int
}

func listenConsole(dir, name string) (*execConsole, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot make the console socket: %w", err)
	}
	t := &execConsole{dir: d, name: name}
	t.listener, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(t.listener, &unix.SockaddrUnix{Name: t.path(d.Fd())})
	}
	if err == nil {
		err = unix.Listen(t.listener, 1)
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("cannot make the console socket in %s: %w", dir, err)
	}
	return t, nil
}

// path is the socket's for a process that has the directory as descriptor fd.
func (t *execConsole) path(fd uintptr) string { return fmt.Sprintf("/proc/self/fd/%d/%s", fd, t.name) }

// accept waits for the terminal.
func (t *execConsole) accept() (*os.File, error) {
	conn, _, err := unix.Accept4(t.listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(conn)
	var data [64]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(conn, data[:], oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) == 0 {
		return nil, errors.New("no terminal was sent")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) == 0 {
		return nil, errors.New("no terminal was sent")
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // Go waits for it in its poller then
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}

// stop lets accept return what has come already, or an error.
func (t *execConsole) stop() { _ = unix.Shutdown(t.listener, unix.SHUT_RDWR) }

func (t *execConsole) close() {
	if t.listener >= 0 {
		unix.Close(t.listener)
	}
	_ = unix.Unlink(t.path(t.dir.Fd()))
	t.dir.Close()
}
