package userns

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary, started with this set, is a carob command: it enters and
// tells where it is.
const probeEnv = "CAROB_USERNS_PROBE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(probeEnv); mode != "" {
		if err := probe(mode); err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(125)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// place is what a probe tells.
type place struct {
	UID, RealUID, RealGID int
	User, Mount           string // namespaces
	CWD, RunDir           string
	UIDs, GIDs            []IDMap
	Env                   map[string]string
	FD3                   string
}

func probe(mode string) error {
	var pids []int
	for _, word := range strings.Fields(os.Getenv("PROBE_CANDIDATES")) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		pids = append(pids, pid)
	}
	opts := Options{
		StateDir: os.Getenv("PROBE_STATE"), Candidates: func() []int { return pids },
		Warn: func(line string) { fmt.Fprintln(os.Stderr, "Warning:", line) },
	}
	if err := Enter(opts); err != nil {
		return err
	}
	if mode == "migrate" {
		return Migrate(opts, func() error { return nil })
	}
	p := place{UID: os.Geteuid(), RealUID: RealUID(), RealGID: RealGID(), Env: map[string]string{}}
	var errs [4]error
	p.User, errs[0] = os.Readlink("/proc/self/ns/user")
	p.Mount, errs[1] = os.Readlink("/proc/self/ns/mnt")
	p.RunDir, errs[2] = RuntimeDir()
	p.UIDs, p.GIDs, errs[3] = Mapping()
	p.CWD, _ = os.Getwd()
	if fd := os.NewFile(3, "inherited"); os.Getenv("PROBE_FD3") != "" {
		text, err := io.ReadAll(fd)
		errs[0] = errors.Join(errs[0], err)
		p.FD3 = string(text)
	}
	for _, name := range []string{configuredEnv, rootlessUID, rootlessGID, triesEnv} {
		if v, ok := os.LookupEnv(name); ok {
			p.Env[name] = v
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		return err
	}
	if mode == "stay" {
		io.Copy(io.Discard, os.Stdin)
	}
	return nil
}

// rig runs probes as an unprivileged account, in directories of their own.
type rig struct {
	t        *testing.T
	bin      string
	uid, gid uint32
	groups   []uint32
	run      string // XDG_RUNTIME_DIR
	state    string
	env      []string
}

// newRig uses the account the end-to-end tests use, or the one the tests run
// as. With a uid it uses that one, whoever it is.
func newRig(t *testing.T, uid uint32) *rig {
	t.Helper()
	r := &rig{t: t, uid: uid, gid: uid}
	if uid == 0 {
		r.account()
	}
	// t.TempDir cannot be entered by others.
	dir, err := os.MkdirTemp("", "carob-userns-")
	r.must(err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	r.must(os.Chmod(dir, 0o755))
	self, err := os.ReadFile("/proc/self/exe")
	r.must(err)
	r.bin, r.run, r.state = filepath.Join(dir, "probe"), filepath.Join(dir, "run"), filepath.Join(dir, "state")
	r.must(os.WriteFile(r.bin, self, 0o755))
	for _, d := range []string{r.run, r.state} {
		r.must(os.Mkdir(d, 0o700))
		r.must(os.Chown(d, int(r.uid), int(r.gid)))
	}
	r.env = []string{"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + r.run, "PROBE_STATE=" + r.state}
	t.Cleanup(r.endKeeper)
	return r
}

func (r *rig) account() {
	if os.Getuid() != 0 {
		r.uid, r.gid = uint32(os.Getuid()), uint32(os.Getgid())
		return
	}
	name := os.Getenv("CAROB_TEST_USER")
	if name == "" {
		name = "carob-test"
	}
	u, err := user.Lookup(name)
	if err != nil {
		r.t.Skipf("no account to be unprivileged as: %v (make one, or name one in CAROB_TEST_USER)", err)
	}
	if ranges, _, err := SubIDs(name); err != nil || len(ranges) == 0 {
		r.t.Skipf("account %s has no range in /etc/subuid", name)
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		r.t.Skip("newuidmap is not installed (package uidmap)")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	r.uid, r.gid = uint32(uid), uint32(gid)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) command(mode string, env ...string) *exec.Cmd {
	cmd := exec.Command(r.bin)
	cmd.Dir = "/"
	cmd.Env = append(append([]string{}, r.env...), append(env, probeEnv+"="+mode)...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: r.uid, Gid: r.gid, Groups: r.groups}}
	}
	return cmd
}

// probe runs one probe and returns where it was, and what it warned of.
func (r *rig) probe(env ...string) (place, string) {
	r.t.Helper()
	return r.result(r.command("tell", env...))
}

func (r *rig) result(cmd *exec.Cmd) (place, string) {
	r.t.Helper()
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("%v: %s", err, words.String())
	}
	var p place
	r.must(json.Unmarshal(out.Bytes(), &p))
	return p, words.String()
}

// keeper is the pid in the record.
func (r *rig) keeper() int {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.run, "carob", recordName))
	r.must(err)
	pid, err := strconv.Atoi(strings.Fields(string(data))[0])
	r.must(err)
	return pid
}

func (r *rig) endKeeper() {
	for pid := range r.keepers() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// keepers are the living carob-keepers that this test's probes have made.
func (r *rig) keepers() map[int]bool {
	found := map[int]bool{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	r.must(err)
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		exe, _ := os.Readlink(filepath.Join(filepath.Dir(stat), "exe"))
		if _, err := newRecord(pid); err == nil && exe == r.bin {
			found[pid] = true
		}
	}
	return found
}

func TestEnterMapsTheUsersRanges(t *testing.T) {
	r := newRig(t, 0)
	first, words := r.probe()
	second, _ := r.probe()
	if words != "" {
		t.Errorf("unexpected words: %s", words)
	}
	if first.UID != 0 || first.RealUID != int(r.uid) || first.RealGID != int(r.gid) {
		t.Errorf("got uid %d, really %d:%d, want 0, really %d:%d", first.UID, first.RealUID, first.RealGID, r.uid, r.gid)
	}
	if first.User != second.User || first.Mount != second.Mount {
		t.Errorf("two commands in different namespaces: %v and %v", first, second)
	}
	if len(first.UIDs) < 2 || first.UIDs[0] != (IDMap{0, r.uid, 1}) || first.UIDs[1].Container != 1 {
		t.Errorf("uids %v", first.UIDs)
	}
	if want := filepath.Join(r.run, "carob"); first.RunDir != want {
		t.Errorf("runtime dir %s, want %s", first.RunDir, want)
	}
	want := map[string]string{configuredEnv: "done", rootlessUID: fmt.Sprint(r.uid), rootlessGID: fmt.Sprint(r.gid)}
	if fmt.Sprint(second.Env) != fmt.Sprint(want) {
		t.Errorf("environment %v, want %v", second.Env, want)
	}
}

func TestCorner40ManyFirstCommandsAtOnce(t *testing.T) {
	r := newRig(t, 0)
	const n = 32
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			out, err := r.command("tell").Output()
			var p place
			if err == nil {
				err = json.Unmarshal(out, &p)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("a command failed: %v", err)
			}
			seen[p.User+" "+p.Mount]++
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Errorf("commands ended in different namespaces: %v", seen)
	}
	if made := r.keepers(); len(made) != 1 || !made[r.keeper()] {
		t.Errorf("keepers %v were made, the record names %d", made, r.keeper())
	}
}

func TestCorner40StaleKeeperRecord(t *testing.T) {
	r := newRig(t, 0)
	r.probe()
	keeper := r.keeper()
	line, err := os.ReadFile(filepath.Join(r.run, "carob", recordName))
	r.must(err)
	f := strings.Fields(string(line))
	for name, bad := range map[string]string{
		"another start time: the pid was used again": f[0] + " 12345 " + f[2] + "\n",
		"another boot": f[0] + " " + f[1] + " 00000000-0000-0000-0000-000000000000\n",
		"no process":   "4194303 " + f[1] + " " + f[2] + "\n",
		"torn":         f[0],
		"empty":        "",
	} {
		for _, dir := range []string{filepath.Join(r.run, "carob"), r.state} {
			r.must(os.WriteFile(filepath.Join(dir, recordName), []byte(bad), 0o600))
		}
		p, _ := r.probe()
		if p.UID != 0 || r.keeper() == keeper {
			t.Errorf("%s: uid %d, keeper %d as before", name, p.UID, r.keeper())
		}
	}
}

func TestRuntimeDirWiped(t *testing.T) {
	r := newRig(t, 0)
	first, _ := r.probe()
	r.must(os.RemoveAll(filepath.Join(r.run, "carob")))
	second, _ := r.probe()
	other := filepath.Join(r.state, "elsewhere")
	r.must(os.Mkdir(other, 0o700))
	r.must(os.Chown(other, int(r.uid), int(r.gid)))
	third, _ := r.probe("XDG_RUNTIME_DIR=" + other)
	if first.User != second.User || first.User != third.User || first.Mount != third.Mount {
		t.Errorf("the keeper was not found again: %s, after the wipe %s, from another runtime dir %s", first.User, second.User, third.User)
	}
}

// TestNoRuntimeDir: under su, XDG_RUNTIME_DIR is somebody else's; from cron it
// is not set, and nobody has made /run/user/UID.
func TestNoRuntimeDir(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be a user who has no runtime dir")
	}
	r := newRig(t, nobodyKnows)
	fallback := fmt.Sprintf("/tmp/carob-run-%d", nobodyKnows)
	t.Cleanup(func() { os.RemoveAll(fallback) })
	for _, xdg := range []string{"/proc", "", "relative"} {
		p, _ := r.probe("XDG_RUNTIME_DIR=" + xdg)
		if p.RunDir != fallback+"/carob" {
			t.Errorf("XDG_RUNTIME_DIR=%q: runtime dir %s", xdg, p.RunDir)
		}
	}
	if len(r.keepers()) != 1 {
		t.Errorf("keepers %v were made", r.keepers())
	}
	r.must(os.Chmod(fallback, 0o755))
	out, err := r.command("tell", "XDG_RUNTIME_DIR=").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is not a directory of your own with mode 0700") {
		t.Errorf("a directory that others can enter was used: %v %s", err, out)
	}
}

// nobodyKnows is a user without an account.
const nobodyKnows = 54321

// TestKeeperKilledWhileContainersRun: the new keeper comes back to the
// namespace that is still in use, with a mount namespace of its own.
func TestKeeperKilledWhileContainersRun(t *testing.T) {
	r := newRig(t, 0)
	monitor := r.command("stay")
	stdin, err := monitor.StdinPipe()
	r.must(err)
	defer stdin.Close()
	stdout, err := monitor.StdoutPipe()
	r.must(err)
	r.must(monitor.Start())
	var first place
	r.must(json.NewDecoder(bufio.NewReader(stdout)).Decode(&first))
	killed := r.keeper()
	r.must(syscall.Kill(killed, syscall.SIGKILL))
	for _, err := newRecord(killed); err == nil; _, err = newRecord(killed) { // it dies in its own time
		time.Sleep(time.Millisecond)
	}
	second, _ := r.probe(fmt.Sprintf("PROBE_CANDIDATES=4194303 %d %d", os.Getpid(), monitor.Process.Pid))
	if second.User != first.User {
		t.Errorf("user namespace %s, want the old one, %s", second.User, first.User)
	}
	if r.keeper() == killed {
		t.Error("no new keeper")
	}
	third, _ := r.probe()
	if third.User != second.User || third.Mount != second.Mount {
		t.Errorf("the next command is elsewhere: %v, %v", second, third)
	}
	stdin.Close()
	r.must(monitor.Wait())
}

func TestCorner40KeeperSurvivesHangupAndIsSmall(t *testing.T) {
	r := newRig(t, 0)
	first, _ := r.probe()
	pid := r.keeper()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGSTOP, syscall.SIGCONT} {
		r.must(syscall.Kill(pid, sig))
	}
	time.Sleep(20 * time.Millisecond)
	second, _ := r.probe()
	if first.User != second.User || r.keeper() != pid {
		t.Errorf("the keeper did not survive a hangup")
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	if cwd, err := os.Readlink(proc + "cwd"); err != nil || cwd != "/" {
		t.Errorf("the keeper's directory is %q, %v", cwd, err)
	}
	if fds, err := os.ReadDir(proc + "fd"); err != nil || len(fds) != 0 {
		t.Errorf("the keeper has files open: %v, %v", fds, err)
	}
	smaps, err := os.ReadFile(proc + "smaps_rollup")
	r.must(err)
	for line := range strings.Lines(string(smaps)) {
		f := strings.Fields(line)
		if f[0] != "Pss:" {
			continue
		}
		if kb, _ := strconv.Atoi(f[1]); kb > 100 {
			t.Errorf("the keeper takes %d kB", kb)
		}
	}
}

func TestCorner40DirectoryIsKept(t *testing.T) {
	r := newRig(t, 0)
	r.probe()
	dir := filepath.Join(r.state, "a b", strings.Repeat("long", 50))
	r.must(os.MkdirAll(dir, 0o700))
	r.must(os.Chown(filepath.Dir(dir), int(r.uid), int(r.gid)))
	r.must(os.Chown(dir, int(r.uid), int(r.gid)))
	cmd := r.command("tell")
	cmd.Dir = dir
	if p, _ := r.result(cmd); p.CWD != dir {
		t.Errorf("directory %q, want %q", p.CWD, dir)
	}
}

func TestInheritedDescriptorsAreKept(t *testing.T) {
	r := newRig(t, 0)
	for range 2 { // the way through exec, then the short one
		in, out, err := os.Pipe()
		r.must(err)
		cmd := r.command("tell", "PROBE_FD3=1")
		cmd.ExtraFiles = []*os.File{in}
		fmt.Fprint(out, "from outside")
		out.Close()
		if p, _ := r.result(cmd); p.FD3 != "from outside" {
			t.Errorf("descriptor 3 gave %q", p.FD3)
		}
		in.Close()
	}
}

// TestRecordIsNotFollowed: a record that is a link, or not ours, is none.
func TestRecordIsNotFollowed(t *testing.T) {
	r := newRig(t, 0)
	first, _ := r.probe()
	name := filepath.Join(r.run, "carob", recordName)
	r.must(os.Rename(name, name+".real"))
	r.must(os.Symlink(name+".real", name))
	if p, _ := r.probe(); p.User != first.User {
		t.Errorf("namespace %s, want %s by way of the state dir", p.User, first.User)
	}
	if fi, err := os.Lstat(name); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("the link was not replaced: %v %v", fi, err)
	}
}

func TestOnlyOneIDWithoutRanges(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be a user who has no range")
	}
	r := newRig(t, nobodyKnows)
	p, words := r.probe()
	if len(p.UIDs) != 1 || p.UIDs[0] != (IDMap{0, nobodyKnows, 1}) || len(p.GIDs) != 1 {
		t.Errorf("mapping %v %v", p.UIDs, p.GIDs)
	}
	if strings.Count(words, "\n") != 1 || !strings.Contains(words, "usermod --add-subuids ") {
		t.Errorf("want one line that names the cure, got %q", words)
	}
	if _, words := r.probe(); words != "" {
		t.Errorf("the second command warns as well: %q", words)
	}
}

func TestNewuidmapMissing(t *testing.T) {
	r := newRig(t, 0)
	p, words := r.probe("PATH=/nonexistent")
	if len(p.UIDs) != 1 {
		t.Errorf("mapping %v", p.UIDs)
	}
	if strings.Count(words, "\n") != 1 || !strings.Contains(words, "apt-get install uidmap") {
		t.Errorf("want one line that names the package, got %q", words)
	}
}

func TestMigrateMakesRoomForANewKeeper(t *testing.T) {
	r := newRig(t, 0)
	r.probe()
	old := r.keeper()
	r.must(r.command("migrate").Run())
	if _, err := newRecord(old); err == nil {
		t.Error("the keeper still lives")
	}
	for _, dir := range []string{r.state, filepath.Join(r.run, "carob")} {
		if _, err := os.Stat(filepath.Join(dir, recordName)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a record is left in %s", dir)
		}
	}
	p, _ := r.probe()
	if p.UID != 0 || r.keeper() == old {
		t.Errorf("no new keeper after migrate")
	}
	out, err := r.command("migrate", "PROBE_CANDIDATES=1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "containers still run") {
		t.Errorf("migrated while a container runs: %v %s", err, out)
	}
}
