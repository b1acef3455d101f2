package bundle

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/spec"
)

// stage is a root file system of busybox alone, and a way to run it with the
// real crun in a user namespace where only the caller exists, as root.
type stage struct {
	t      *testing.T
	crun   string
	bundle string
	rootfs string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	crun, err := exec.LookPath("crun")
	if err != nil {
		t.Skip("no crun on this host")
	}
	s := &stage{t: t, crun: crun, bundle: t.TempDir()}
	s.rootfs = filepath.Join(s.bundle, "rootfs")
	for _, dir := range []string{"bin", "etc", "tmp", "proc", "sys", "dev", "run"} {
		must(t, os.MkdirAll(filepath.Join(s.rootfs, dir), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(s.rootfs, "bin/busybox"), staticBusybox(t), 0o755))
	for _, applet := range []string{"sh", "cat", "grep", "env", "id", "hostname", "ls", "touch", "umask", "mount", "head", "wc", "stat"} {
		must(t, os.Symlink("busybox", filepath.Join(s.rootfs, "bin", applet)))
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func staticBusybox(t *testing.T) []byte {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox on this host")
	}
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Skip("busybox is not static on this host")
	}
	body, err := os.ReadFile(path)
	must(t, err)
	return body
}

// input is a container of the stage that runs a script; change may differ.
func (s *stage) input(script string, change func(*Input)) Input {
	single := []spec.IDMap{{Container: 0, Host: uint32(os.Getuid()), Size: 1}}
	in := with(func(in *Input) {
		in.Image, in.Namespaces, in.Files = nil, Namespaces{}, Files{}
		in.Rootfs, in.Hostname = s.rootfs, "stage"
		in.Spec.Process.Command = []string{"/bin/sh", "-c", script}
		in.Host = Host{Rootless: true, UIDs: single, GIDs: single, CgroupMode: CgroupNone, CgroupVersion: 1, Runtime: "crun", Rlimits: ownLimits()}
	})
	change(&in)
	return in
}

func ownLimits() map[string]Rlimit {
	limits := map[string]Rlimit{}
	for name, number := range map[string]int{"nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC} {
		var l unix.Rlimit
		if unix.Prlimit(0, number, nil, &l) == nil {
			limits[name] = Rlimit{l.Cur, l.Max}
		}
	}
	return limits
}

// command is crun with arguments, in the user namespace. It sees no cgroups:
// crun refuses hosts that have both versions whatever it is told.
func (s *stage) command(args ...string) *exec.Cmd {
	words := []string{"-c", `mount -t tmpfs none /sys/fs/cgroup && exec "$0" "$@"`, s.crun,
		"--cgroup-manager=disabled", "--root", filepath.Join(s.bundle, "state")}
	cmd := exec.Command("/bin/sh", append(words, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}

func (s *stage) write(config *rspec.Spec) {
	s.t.Helper()
	body, err := json.Marshal(config)
	must(s.t, err)
	must(s.t, os.WriteFile(filepath.Join(s.bundle, "config.json"), body, 0o600))
}

// run returns what the container printed.
func (s *stage) run(config *rspec.Spec) string {
	s.t.Helper()
	s.write(config)
	out, err := s.command("run", "--bundle", s.bundle, "stage-"+strconv.Itoa(os.Getpid())).CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		s.t.Skip("this host allows no user namespaces")
	}
	if err != nil {
		s.t.Errorf("crun: %v\n%s", err, out)
	}
	return string(out)
}

// wantLines checks that out has each of the lines.
func wantLines(t *testing.T, out string, lines ...string) {
	t.Helper()
	have := strings.Split(strings.TrimRight(out, "\n"), "\n")
	for _, line := range lines {
		if !slices.Contains(have, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}

const statusScript = `grep -E '^(Cap|NoNewPrivs|Seccomp:|Umask)' /proc/self/status; hostname; cat /proc/1/comm; id -u; ulimit -c`

func TestRuntimeProcess(t *testing.T) {
	s := newStage(t)
	config := generateOK(t, s.input(statusScript+"; env", func(in *Input) {
		in.Spec.Process.Umask = "0027"
		in.Spec.Process.Env = map[string]string{"A": "b c"}
		in.Spec.Security = spec.Security{CapAdd: []string{"NET_RAW"}, CapDrop: []string{"KILL"}, NoNewPrivileges: true}
		in.Spec.Resources.Ulimits = []string{"core=0"}
	}))
	wantLines(t, s.run(config), "CapEff:\t00000000800425db", "CapBnd:\t00000000800425db", "CapAmb:\t0000000000000000",
		"NoNewPrivs:\t1", "Seccomp:\t2", "Umask:\t0027", "stage", "sh", "0", "A=b c", "container=podman", "HOME=/root", "HOSTNAME=stage")
}

func TestRuntimePrivileged(t *testing.T) {
	s := newStage(t)
	config := generateOK(t, s.input(statusScript, func(in *Input) { in.Spec.Security.Privileged = true }))
	wantLines(t, s.run(config), "CapEff:\t000001ffffffffff", "Seccomp:\t0", "NoNewPrivs:\t0")
}

func TestRuntimeMounts(t *testing.T) {
	s := newStage(t)
	script := `touch /x /tmp/x /vol/x /ro/x 2>&1; cat /proc/sys/net/ipv4/ping_group_range; cat /ro/file; ls /dev/shm;
		wc -l </proc/timer_list; stat -c %a /t; grep ' /dev/shm ' /proc/mounts`
	volume, readonly := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(readonly, "file"), []byte("content\n"), 0o644))
	config := generateOK(t, s.input(script, func(in *Input) {
		in.Spec.Mounts = spec.Mounts{ReadOnly: true, ShmSize: "1m"}
		in.Mounts = []spec.Mount{
			{Type: spec.MountVolume, Source: volume, Destination: "/vol"}, bind(readonly, "/ro", "ro"),
			{Type: spec.MountTmpfs, Destination: "/t", Options: []string{"mode=1700", "size=1.5m"}},
		}
	}))
	out := s.run(config)
	wantLines(t, out, "touch: /x: Read-only file system", "touch: /ro/x: Read-only file system", "content", "0\t0", "0", "1700")
	if !strings.Contains(out, "size=1024k") {
		t.Errorf("/dev/shm is not of 1 MiB:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(volume, "x")); err != nil {
		t.Error(err)
	}
}

func TestRuntimeHostNamespaces(t *testing.T) {
	s := newStage(t)
	script := `ls /sys/class/net >/dev/null && echo sysfs; cat /proc/1/comm >/dev/null && echo procfs; hostname`
	config := generateOK(t, s.input(script, func(in *Input) {
		in.Spec.Isolation = spec.Isolation{PID: "host", IPC: "host", UTS: "host", Cgroup: "host"}
		in.Spec.Network.Mode = "host"
	}))
	name, err := os.Hostname()
	must(t, err)
	wantLines(t, s.run(config), "sysfs", "procfs", name)
}

// TestRuntimeFilterEqualsLibseccomp holds the compiled filter against what
// crun makes of the same profile with libseccomp: every call number, on both
// architectures. Calls that this libseccomp is too old to know may differ.
func TestRuntimeFilterEqualsLibseccomp(t *testing.T) {
	s := newStage(t)
	config := generateOK(t, s.input("true", func(*Input) {}))
	ours := filterOf(t, config)
	delete(config.Annotations, filterAnnotation)
	theirs := s.libseccompFilter(config)
	newest, tooNew := newestKnown(t, theirs), callNumbers(nativeCalls)["uretprobe"]
	for _, arch := range []uint32{nativeArch, compatArch} {
		for n := range uint32(newest) {
			for _, first := range argSamples() {
				c := call{number: n, arch: arch, args: [6]uint64{first, 0, first}}
				if got, want := simulate(t, ours, c), simulate(t, theirs, c); got != want && !(arch == nativeArch && n == tooNew) {
					t.Errorf("call %d on %#x with %#x: %#x, libseccomp says %#x", n, arch, first, got, want)
					break
				}
			}
		}
	}
	t.Logf("%d instructions, libseccomp's %d, compared up to call %d", len(ours), len(theirs), newest)
}

// newestKnown is the first number that the program allows nothing from.
func newestKnown(t *testing.T, program []unix.SockFilter) int {
	for n := 1000; n > 0; n-- {
		if simulate(t, program, call{number: uint32(n), arch: nativeArch}) == unix.SECCOMP_RET_ALLOW {
			return n + 1
		}
	}
	return 0
}

// libseccompFilter is the program crun leaves in its state directory.
func (s *stage) libseccompFilter(config *rspec.Spec) []unix.SockFilter {
	s.t.Helper()
	s.write(config)
	name := "stage-" + strconv.Itoa(os.Getpid())
	if err := s.command("create", "--bundle", s.bundle, name).Run(); err != nil {
		s.t.Skipf("crun create: %v", err)
	}
	filter, err := os.ReadFile(filepath.Join(s.bundle, "state", name, "seccomp.bpf"))
	_ = s.command("delete", "--force", name).Run()
	if err != nil {
		s.t.Skip("this crun leaves no compiled filter")
	}
	return decode(s.t, filter)
}

// TestRuntimeFilterHolds makes calls from inside: this test's own program is
// the container's.
func TestRuntimeFilterHolds(t *testing.T) {
	s := newStage(t)
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.rootfs, "bin/self"), self, 0o755))
	for seccomp, want := range map[string]string{"": "operation not permitted", "unconfined": "bad address"} {
		config := generateOK(t, s.input("exec /bin/self -test.run TestInsideContainer -test.v", func(in *Input) {
			in.Spec.Security.Seccomp = seccomp
			in.Spec.Process.Env = map[string]string{insideEnv: "1"}
		}))
		out := s.run(config)
		if !strings.Contains(out, "io_uring_setup: "+want) || !strings.Contains(out, "1000: function not implemented") {
			t.Errorf("%q: want %s, got\n%s", seccomp, want, out)
		}
	}
}

const insideEnv = "CAROB_BUNDLE_TEST_INSIDE"

func TestInsideContainer(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs inside the container of TestRuntimeFilterHolds")
	}
	_, _, ring := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
	_, _, future := unix.Syscall(1000, 0, 0, 0)
	t.Logf("io_uring_setup: %v", ring)
	t.Logf("1000: %v", future)
}
