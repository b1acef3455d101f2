package netns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/sys"
)

// slirpOptions are the words of --network slirp4netns:opt,opt.
type slirpOptions struct {
	mtu          int
	cidr         string
	hostLoopback bool
	ipv6         bool
	outbound     string
	outbound6    string
}

// parseSlirp reads the options as podman-run(1) has them. port_handler takes
// slirp4netns only: carob has no second forwarder for this network.
func parseSlirp(options string) (slirpOptions, error) {
	o := slirpOptions{mtu: 65520, ipv6: true}
	if options == "" {
		return o, nil
	}
	for _, word := range strings.Split(options, ",") {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return o, fmt.Errorf("cannot use slirp4netns option %q: want NAME=VALUE", word)
		}
		if err := o.set(name, value); err != nil {
			return o, fmt.Errorf("cannot use slirp4netns option %q: %w", word, err)
		}
	}
	return o, nil
}

func (o *slirpOptions) set(name, value string) (err error) {
	switch name {
	case "mtu":
		if o.mtu, err = strconv.Atoi(value); err == nil && (o.mtu < 68 || o.mtu > 65521) {
			err = errors.New("want 68 to 65521 bytes")
		}
	case "cidr":
		var p netip.Prefix
		if p, err = netip.ParsePrefix(value); err == nil && !p.Addr().Is4() {
			err = errors.New("want an IPv4 network")
		}
		o.cidr = value
	case "allow_host_loopback":
		o.hostLoopback, err = strconv.ParseBool(value)
	case "enable_ipv6":
		o.ipv6, err = strconv.ParseBool(value)
	case "outbound_addr":
		o.outbound = value
	case "outbound_addr6":
		o.outbound6 = value
	case "port_handler":
		if value != "slirp4netns" {
			err = errors.New("carob forwards ports with slirp4netns itself: port_handler=slirp4netns")
		}
	default:
		err = errors.New("it is none of mtu, cidr, allow_host_loopback, enable_ipv6, outbound_addr, outbound_addr6, port_handler")
	}
	return err
}

// args is the command line; descriptor 3 is where readiness is told, and
// standard input the namespace, as with pasta.
func (o *slirpOptions) args(socket string) []string {
	args := []string{"--configure", "--mtu", strconv.Itoa(o.mtu), "--ready-fd", "3", "--netns-type", "path",
		"--enable-sandbox", "--enable-seccomp"}
	if socket != "" {
		args = append(args, "--api-socket", socket)
	}
	if !o.hostLoopback {
		args = append(args, "--disable-host-loopback")
	}
	if o.ipv6 {
		args = append(args, "--enable-ipv6")
	}
	for _, v := range []struct{ flag, value string }{
		{"--cidr", o.cidr}, {"--outbound-addr", o.outbound}, {"--outbound-addr6", o.outbound6},
	} {
		if v.value != "" {
			args = append(args, v.flag, v.value)
		}
	}
	return append(args, "/proc/self/fd/0", "tap0")
}

// ipv6Port is one that is to be published at an IPv6 address, which
// slirp4netns cannot.
func ipv6Port(ports []Port) *Port {
	for i, p := range ports {
		if a, err := netip.ParseAddr(p.HostIP); err == nil && a.Is6() {
			return &ports[i]
		}
	}
	return nil
}

// runSlirp starts slirp4netns(1), which stays our child until we end and
// init's after that. Its pid file is what ends it: an exit-fd would have to be
// kept by the monitor, and end the network of a container that goes on running
// when its monitor is killed.
func (h *Helper) runSlirp(ctx context.Context, program string, cfg *Config) (up func() error, err error) {
	opts, err := parseSlirp(cfg.Options)
	if err != nil {
		return nil, err
	}
	if p := ipv6Port(cfg.Ports); p != nil {
		return nil, &PortError{Port: *p, why: "slirp4netns publishes at IPv4 addresses only; use --network=pasta"}
	}
	ready, readyOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyOut.Close()
	dir, socket, err := slirpSocket(cfg.Ports)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("slirp4netns", unix.MFD_CLOEXEC) // a pipe would break when we end
	if err != nil {
		return nil, err
	}
	words := os.NewFile(uintptr(fd), "slirp4netns")
	cmd := exec.Command(program, opts.args(socket)...)
	cmd.Args[0] = processName(Slirp, cfg.PIDFile)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = cfg.Namespace, words, words, []*os.File{readyOut}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// Its sandbox takes down the mounts it sees, and those shared with others
	// there as well (slirp4netns 1.2): on a host whose mounts are shared, as
	// systemd makes them, root's would lose /sys/fs/cgroup and more.
	if err := sys.InMountNamespace(cmd.Start); err != nil {
		return nil, fmt.Errorf("cannot start slirp4netns: %w", err)
	}
	if err := h.running(cmd.Process.Pid); err != nil {
		return nil, err
	}
	return func() error {
		defer words.Close()
		defer os.RemoveAll(dir)
		err := awaitSlirp(ctx, ready, words)
		if err == nil {
			err = forwardAll(socket, cfg.Ports)
		}
		if err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			return err
		}
		go cmd.Wait() // no zombie while we live
		return nil
	}, nil
}

// slirpSocket makes a private directory for the API socket, which is needed
// only until the ports are published and would have too long a name beside the
// pid file.
func slirpSocket(ports []Port) (dir, socket string, err error) {
	if len(ports) == 0 {
		return "", "", nil
	}
	dir, err = os.MkdirTemp("", "carob-slirp-")
	return dir, filepath.Join(dir, "api"), err
}

// readyTimeout is far more than a helper takes, on a busy machine too: nobody
// waits for ever for one that hangs.
const readyTimeout = 60 * time.Second

// awaitSlirp waits for the byte that slirp4netns writes when it is ready; an
// end of file says that it ended.
func awaitSlirp(ctx context.Context, ready *os.File, words io.ReaderAt) error {
	defer ready.Close()
	if err := ready.SetReadDeadline(time.Now().Add(readyTimeout)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := ready.Read(make([]byte, 1))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("cannot start slirp4netns: it is not ready after %s", readyTimeout)
	}
	text, _ := io.ReadAll(io.NewSectionReader(words, 0, 64<<10))
	line := lastLine(text)
	if strings.Contains(line, "tun") {
		return tunError(line)
	}
	return fmt.Errorf("cannot start slirp4netns: %s", line)
}

func lastLine(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

// forwardAll publishes the ports through slirp4netns's API socket: one JSON
// object each way per connection (slirp4netns(1), section API SOCKET).
func forwardAll(socket string, ports []Port) error {
	for _, p := range ports {
		for i := range p.count() {
			one := Port{HostIP: p.HostIP, Host: p.Host + uint16(i), Container: p.Container + uint16(i), Protocol: p.Protocol}
			if err := forward(socket, one); err != nil {
				return err
			}
		}
	}
	return nil
}

func forward(socket string, p Port) error {
	args := map[string]any{"proto": p.Protocol, "host_port": p.Host, "guest_port": p.Container}
	if p.HostIP != "" {
		args["host_addr"] = p.HostIP
	}
	request, err := json.Marshal(map[string]any{"execute": "add_hostfwd", "arguments": args})
	if err != nil {
		return err
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("cannot publish port %s: %w", p, err)
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("cannot publish port %s: %w", p, err)
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return fmt.Errorf("cannot publish port %s: %w", p, err)
	}
	var answer struct {
		Error struct {
			Desc string `json:"desc"`
		} `json:"error"`
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return fmt.Errorf("cannot publish port %s: slirp4netns's answer: %w", p, err)
	}
	if answer.Error.Desc != "" {
		return &PortError{Port: p, why: "slirp4netns says: " + answer.Error.Desc}
	}
	return nil
}
