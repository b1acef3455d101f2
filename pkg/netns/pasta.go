package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// DNSForward is the address at which pasta answers name queries inside, with
// the host's own resolver.
const DNSForward = "169.254.1.1"

// GuestMapAddr is where newer versions of pasta put the host for the container,
// whose own address is the host's.
const GuestMapAddr = "169.254.1.2"

// runPasta starts pasta(1). It puts itself into the background when the
// namespace is ready; the process we start ends then.
//
// The namespace is handed over as standard input: pasta drops the privilege
// that looking at another process's namespaces needs, newer ones close all but
// the first three descriptors, and AppArmor's profile for it knows no path of
// ours. For the last reason its pid comes through a pipe at standard output,
// not in a file.
func (h *Helper) runPasta(ctx context.Context, program string, cfg *Config) (up func() error, err error) {
	args, err := pastaArgs(cfg.Options, cfg.Ports)
	if err != nil {
		return nil, err
	}
	if h.guestMap = wantsGuestMap(args) && pastaKnows(program, cfg.LockDir, "--map-guest-addr"); h.guestMap {
		args = append(args, "--map-guest-addr", GuestMapAddr)
	}
	pids, pidOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var words bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append(args, "--pid", "/proc/self/fd/1", "--netns", "/proc/self/fd/0")...)
	cmd.Args[0] = processName(Pasta, cfg.PIDFile)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = cfg.Namespace, pidOut, &words
	// If we are killed while it sets itself up, it shall not stay behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	err = <-started
	pidOut.Close()
	if err != nil {
		pids.Close()
		return nil, fmt.Errorf("cannot start pasta: %w", err)
	}
	return func() error {
		defer pids.Close()
		if err := <-ended; err != nil {
			return pastaError(ctx, err, words.String(), cfg.Ports)
		}
		pid, err := readPID(pids)
		if err != nil {
			return fmt.Errorf("cannot start pasta: it did not tell its pid: %w", err)
		}
		return h.running(pid)
	}, nil
}

// wantsGuestMap: neither the user's option stands against it, nor is there an
// IPv4 address to map to when only IPv6 is wanted.
func wantsGuestMap(args []string) bool {
	return !slices.ContainsFunc(args, func(a string) bool {
		return a == "--map-guest-addr" || strings.HasPrefix(a, "--map-guest-addr=") || a == "-6" || a == "--ipv6-only"
	})
}

// pastaKnows tells whether the installed pasta has an option. It is asked once
// after each change of the program; the answer is kept in dir.
func pastaKnows(program, dir, option string) bool {
	fi, err := os.Stat(program)
	if err != nil || dir == "" {
		return false
	}
	version := fmt.Sprintf("%s %d %d\n", program, fi.Size(), fi.ModTime().UnixNano())
	file := filepath.Join(dir, pastaHelp)
	kept, err := os.ReadFile(file)
	help, ok := bytes.CutPrefix(kept, []byte(version))
	if err != nil || !ok {
		help, _ = exec.Command(program, "--help").CombinedOutput() // its exit code is no sign
		tmp := fmt.Sprintf("%s.%d", file, os.Getpid())
		if os.WriteFile(tmp, append([]byte(version), help...), 0o600) == nil {
			os.Rename(tmp, file) // not kept: asked again
		}
	}
	return bytes.Contains(help, []byte(option+" "))
}

// pastaHelp is the file with pasta's help text and the version it belongs to.
const pastaHelp = "pasta.help"

// readPID reads "PID\n". The writing end may stay open in the helper, so the
// end of file is not waited for.
func readPID(r io.Reader) (int, error) {
	buf := make([]byte, 32)
	n, err := r.Read(buf)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(buf[:n])))
}

// pastaArgs is pasta's command line for a container: nothing of the host is
// reachable unless published or asked for. A user's option takes the place of
// the default it stands against; "--map-gw" is carob's word for leaving out
// --no-map-gw, as it is podman's.
func pastaArgs(options string, ports []Port) ([]string, error) {
	args := []string{"--config-net", "--quiet", "--no-netns-quit"}
	given := map[string]bool{}
	if options != "" {
		for _, o := range strings.Split(options, ",") {
			name, _, _ := strings.Cut(o, "=")
			given[name] = true
			if o != "--map-gw" {
				args = append(args, o)
			}
		}
	}
	published := map[string]bool{}
	for _, p := range ports {
		flag := map[string]string{"tcp": "-t", "udp": "-u"}[p.Protocol]
		if flag == "" {
			return nil, fmt.Errorf("cannot publish port %s: pasta carries tcp and udp only", p)
		}
		published[flag] = true
		args = append(args, flag, pastaPort(p))
	}
	for _, d := range []struct{ short, long string }{
		{"-t", "--tcp-ports"}, {"-u", "--udp-ports"}, {"-T", "--tcp-ns"}, {"-U", "--udp-ns"},
	} {
		if !published[d.short] && !given[d.short] && !given[d.long] {
			args = append(args, d.short, "none")
		}
	}
	if !given["--map-gw"] && !given["--no-map-gw"] {
		args = append(args, "--no-map-gw")
	}
	if !given["--dns-forward"] {
		args = append(args, "--dns-forward", DNSForward)
	}
	if !given["--runas"] {
		// For root, pasta's own choice is nobody, who could not enter the
		// namespace. It gives up nearly all capabilities all the same.
		args = append(args, "--runas", "0:0")
	}
	return args, nil
}

// pastaPort writes p as pasta's -t and -u want it: ADDRESS/FIRST-LAST:FIRST-LAST.
func pastaPort(p Port) string {
	word := ""
	if p.HostIP != "" {
		word = p.HostIP + "/"
	}
	if p.count() == 1 {
		return fmt.Sprintf("%s%d:%d", word, p.Host, p.Container)
	}
	more := p.count() - 1
	return fmt.Sprintf("%s%d-%d:%d-%d", word, p.Host, int(p.Host)+more, p.Container, int(p.Container)+more)
}

// pastaError makes one line of what pasta wrote, with the cure where the
// cause is known.
func pastaError(ctx context.Context, err error, words string, ports []Port) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	line := pastaLine(words)
	switch {
	case strings.Contains(line, "Failed to bind"):
		return bindError(line, ports)
	case strings.Contains(line, "tun") && strings.Contains(line, "open"):
		return tunError(line)
	case strings.Contains(line, "unrecognized option"), strings.Contains(line, "invalid option"):
		return &hintError{
			err:  fmt.Errorf("cannot start pasta: %s", line),
			hint: "this version of pasta does not have the option; see pasta(1) on this machine",
		}
	case line == "":
		return fmt.Errorf("cannot start pasta: %w", err)
	}
	return fmt.Errorf("cannot start pasta: %s", line)
}

// pastaLine picks the line that says what is wrong: the last before the usage
// text. Complaints about a missing system logger are of no interest.
func pastaLine(words string) string {
	last := ""
	for line := range strings.Lines(words) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Usage:") {
			break
		}
		if line != "" && !strings.Contains(line, "to syslog") {
			last = line
		}
	}
	if name, rest, ok := strings.Cut(last, ": "); ok && strings.HasPrefix(name, Pasta) {
		return rest
	}
	return last
}

// bindError asks for the reason that pasta does not tell.
func bindError(line string, ports []Port) error {
	for _, p := range ports {
		if err := checkPort(p); err != nil {
			return err
		}
	}
	return fmt.Errorf("cannot publish ports: %s", line)
}

func tunError(line string) error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	switch {
	case err == nil:
		f.Close()
		return fmt.Errorf("cannot start pasta: %s", line)
	case errors.Is(err, os.ErrNotExist):
		return &hintError{fmt.Errorf("cannot start pasta: %w", err), "as root: modprobe tun"}
	}
	return &hintError{fmt.Errorf("cannot start pasta: %w", err), "as root: chmod 0666 /dev/net/tun"}
}
