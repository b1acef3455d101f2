// Package rig makes the host ready and runs a test program on it as an
// unprivileged account, with carob installed where that account can read it.
//
// A test program is started by whoever types `go test`, root or a sudoer. Run
// then sets the host up, copies carob and the program itself to a directory of
// the account's, and starts the copy as the account, once per View asked for.
// In the copy, Run calls the body. A user without sudo gets the body under its
// own account and no clean cgroup view.
package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// View is what the account sees under /sys/fs/cgroup.
type View string

const (
	// Plain is the host's own, whatever that is.
	Plain View = "plain"
	// CGroup2 is a private mount namespace with cgroup2 alone, which podman and
	// crun with cgroups need on hybrid hosts.
	CGroup2 View = "cgroup2"
	// Root and RootCGroup2 are those two for root, with storage and runtime
	// directories of the test's own.
	Root        View = "root"
	RootCGroup2 View = "root-cgroup2"
	// Delegated is CGroup2 in a control group that belongs to the account. On
	// hybrid hosts it has no controllers, so nothing in it can be limited.
	Delegated View = "delegated"
)

func (v View) root() bool { return v == Root || v == RootCGroup2 }

// Clean tells that there is nothing but cgroup2.
func (v View) Clean() bool { return v == CGroup2 || v == Delegated || v == RootCGroup2 }

// Host is a prepared host, as the body sees it.
type Host struct {
	View View
	// Root is a directory of the account's, removed afterwards. Its path is
	// short because socket names below it are limited to 108 bytes.
	Root string
	// Prefix is where carob is installed: Prefix/bin, Prefix/libexec/carob.
	Prefix string
	// Tools holds ptyrun and other helpers of the tests.
	Tools string
	// Cache is what CAROB_TEST_CACHE names: what is made once.
	Cache string
	// Images, in Cache, holds NAME.tar, NAME.oci.tar and rootfs.tar (see mkimages).
	Images string
	// Source is a copy of the directory the test program was started in.
	Source string
	// Small is a file system of 48 MiB for tests of full disks; an ordinary
	// directory where Run had neither root nor sudo.
	Small string
	// User is the account.
	User string

	ask, answer *os.File // see PSS
}

// The parent tells the copy about the host with these.
const (
	envRoot = "CAROB_RIG_ROOT"
	envView = "CAROB_RIG_VIEW"
)

// EnvDepth is how thorough test/crash is; the copy gets it handed on.
const EnvDepth = "CAROB_CRASH_DEPTH"

// Run prepares the host and calls body as the account, once for every view.
// It returns an exit code: the body's, or 1 with a message on stderr. makers
// are scripts of hack/ that make more than setup-host.sh does; like that one
// they are left out where there is neither root nor sudo.
func Run(views []View, body func(*Host) int, makers ...string) int {
	if root := os.Getenv(envRoot); root != "" {
		h := host(root, View(os.Getenv(envView)), os.Getenv("USER"))
		h.ask, h.answer = os.NewFile(askFD, "ask"), os.NewFile(answerFD, "answer")
		syscall.CloseOnExec(askFD)
		syscall.CloseOnExec(answerFD)
		return body(h)
	}
	code, err := prepareAndRun(views, append([]string{"setup-host.sh"}, makers...))
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		return 1
	}
	return code
}

func host(root string, view View, account string) *Host {
	return &Host{
		View: view, Root: root, User: account,
		Prefix: filepath.Join(root, "prefix"),
		Tools:  filepath.Join(root, "tools"),
		Cache:  filepath.Join(root, "cache"),
		Images: filepath.Join(root, "cache/images"),
		Source: filepath.Join(root, "source"),
		Small:  filepath.Join(root, "small"),
	}
}

func prepareAndRun(views []View, makers []string) (code int, err error) {
	if os.Geteuid() != 0 && hasSudo() {
		return throughSudo()
	}
	source, err := os.Getwd()
	if err != nil {
		return 1, err
	}
	top, err := moduleRoot(source)
	if err != nil {
		return 1, err
	}
	if os.Geteuid() == 0 {
		for _, script := range makers {
			if err := run(top, filepath.Join(top, "hack", script)); err != nil {
				return 1, err
			}
		}
	}
	account, err := findAccount()
	if err != nil {
		return 1, err
	}
	root, err := os.MkdirTemp("/var/tmp", "ct")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, endLeftovers(root), removeAll(root)) }()
	if err := fill(root, top, source, account); err != nil {
		return 1, err
	}
	for _, view := range views {
		if view != Plain && os.Geteuid() != 0 {
			fmt.Fprintf(os.Stderr, "rig: leaving out the view %s: neither root nor sudo\n", view)
			continue
		}
		c, err := startCopy(root, view, account)
		if err != nil {
			return 1, err
		}
		if c != 0 {
			code = c
		}
	}
	return code, nil
}

// moduleRoot is the directory of go.mod at or above dir.
func moduleRoot(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == "/" {
			return "", fmt.Errorf("cannot find go.mod above %s", dir)
		}
	}
}

func hasSudo() bool { return exec.Command("sudo", "-n", "true").Run() == nil }

func throughSudo() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	args := append([]string{"-n", "--preserve-env=PATH,CAROB_TEST_USER,CAROB_TEST_CACHE," + EnvDepth, self}, os.Args[1:]...)
	return exitCode(passThrough(exec.Command("sudo", args...)).Run())
}

// findAccount is CAROB_TEST_USER (carob-test) for root, and oneself otherwise.
func findAccount() (*user.User, error) {
	if os.Geteuid() != 0 {
		return user.Current()
	}
	return user.Lookup(orDefault("CAROB_TEST_USER", "carob-test"))
}

func orDefault(name, value string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return value
}

// fill makes what Host describes.
func fill(root, top, source string, account *user.User) error {
	h := host(root, Plain, account.Username)
	if err := run(top, "make", "--silent", "install", "PREFIX="+h.Prefix, "DESTDIR="); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(h.Tools, 0o755), os.MkdirAll(h.Small, 0o755)); err != nil {
		return err
	}
	if err := run(top, "go", "build", "-buildvcs=false", "-o", h.Tools+"/", "./test/ptyrun"); err != nil {
		return err
	}
	cache := orDefault("CAROB_TEST_CACHE", "/var/cache/carob-test")
	if err := os.Symlink(cache, h.Cache); err != nil {
		return err
	}
	// The account may not be able to follow a link into the source.
	if err := run("/", "cp", "-rL", source, h.Source); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := run("/", "cp", self, filepath.Join(root, "body")); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return run("/", "chown", "-R", account.Uid+":"+account.Gid, root)
}

// views are shell words that root runs in a private mount namespace before it
// becomes the account: $1 is where the small file system goes, $2 its owner.
// Nothing outside that namespace is touched.
const views = `
mount -t tmpfs -o size=48m,mode=755,uid=$2 small "$1"
if [ "$3" != plain ] && [ "$3" != root ] && [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
	umount -R /sys/fs/cgroup
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
mount --make-rshared /
if [ "$3" != delegated ]; then
	shift 3
	exec "$@"
fi
group=/sys/fs/cgroup/carob-rig-$$
mkdir "$group"
chown "$2" "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control"
echo $$ >"$group/cgroup.procs"
shift 3
code=0
"$@" || code=$?
echo $$ >/sys/fs/cgroup/cgroup.procs
echo 1 >"$group/cgroup.kill"
find "$group" -depth -type d -exec rmdir {} +
exit $code`

// startCopy runs the copied test program as the account, or as root in a view
// of root's.
func startCopy(root string, view View, account *user.User) (int, error) {
	if view.root() {
		account = &user.User{Username: "root", Uid: "0", Gid: "0", HomeDir: "/root"}
	}
	// go test's log of what a test reads is in a directory of whoever started
	// it; without it the result is not cached, which it must not be anyway.
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool {
		return strings.HasPrefix(arg, "-test.testlogfile=")
	})
	argv := append([]string{filepath.Join(root, "body")}, args...)
	if os.Geteuid() == 0 {
		argv = append([]string{
			"unshare", "-m", "--propagation=private",
			"sh", "-ec", views, "sh", filepath.Join(root, "small"), account.Uid, string(view),
			"setpriv", "--reuid=" + account.Uid, "--regid=" + account.Gid, "--init-groups", "--inh-caps=-all",
		}, argv...)
	}
	cmd := passThrough(exec.Command(argv[0], argv[1:]...))
	cmd.Dir = filepath.Join(root, "source")
	cmd.Env = []string{
		envRoot + "=" + root,
		envView + "=" + string(view),
		"HOME=" + account.HomeDir,
		"USER=" + account.Username,
		"LOGNAME=" + account.Username,
		"XDG_RUNTIME_DIR=" + runtimeDir(account),
		"PATH=" + filepath.Join(root, "prefix/bin") + ":" + filepath.Join(root, "tools") +
			":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"TERM=xterm",
		EnvDepth + "=" + os.Getenv(EnvDepth),
	}
	ask, questions, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	answers, answer, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	cmd.ExtraFiles = []*os.File{questions, answers} // askFD, answerFD
	go answerPSS(ask, answer)
	defer func() { ask.Close(); answer.Close(); questions.Close(); answers.Close() }()
	return exitCode(cmd.Run())
}

func runtimeDir(account *user.User) string { return "/run/user/" + account.Uid }

func passThrough(cmd *exec.Cmd) *exec.Cmd {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func exitCode(err error) (int, error) {
	var ee *exec.ExitError
	if errors.As(err, &ee) && ee.ExitCode() > 0 {
		return ee.ExitCode(), nil
	}
	return 0, err
}

// run shows the output of a preparing step only when it fails.
func run(dir string, argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return nil
}

// removeAll removes root with the files of subordinate ids in it.
func removeAll(root string) error {
	if os.Geteuid() == 0 {
		return os.RemoveAll(root)
	}
	return removeAsSubordinate(root)
}

// endLeftovers kills, by pid, what the copies left running.
func endLeftovers(root string) error {
	left, err := Processes(root)
	if err != nil {
		return err
	}
	for _, p := range left {
		fmt.Fprintf(os.Stderr, "rig: ending a process left behind: %s\n", p)
		if proc, err := os.FindProcess(p.PID); err == nil {
			_ = proc.Kill() // gone already is as good
		}
	}
	return nil
}

// pidOf is the pid that a name in /proc stands for; 0 for other names.
func pidOf(name string) int {
	pid, err := strconv.Atoi(name)
	if err != nil {
		return 0
	}
	return pid
}
