package vm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// group is a directory of scripts and the account they run as.
type group struct{ name, account string }

// phase is one boot of the machine.
type phase struct {
	groups []group
	kernel string // words of the kernel's command line
	fresh  bool   // with the disk as hack/vm-root.sh made it
}

// phases are the boots, in order. Between two of them the machine reboots in
// good order. Those that nothing is wanted of are left out.
var phases = []phase{
	{groups: []group{{"user", "ct"}, {"wide", "wide"}, {"root", "root"}, {"before-reboot", "ct"}, {"before-reboot-units", "wide"}}},
	{groups: []group{{"after-reboot", "ct"}, {"after-reboot-units", "wide"}}},
	// Files that were made without SELinux have no labels. The scripts switch
	// to enforcing, as it is not the machine's boot that is tested.
	{groups: []group{{"selinux", "ct"}}, kernel: "security=selinux selinux=1 enforcing=0", fresh: true},
}

// nextPhase is the first one from n on that something is wanted of;
// len(phases) when there is none.
func nextPhase(n int) int {
	for n < len(phases) && !slices.ContainsFunc(phases[n].groups, group.wanted) {
		n++
	}
	return n
}

// phaseWord begins the word of the kernel's command line that tells the boss
// which phase this is.
const phaseWord = "carob.phase="

func presentPhase() (int, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return 0, err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if n, ok := strings.CutPrefix(word, phaseWord); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, fmt.Errorf("the kernel's command line has no %s", phaseWord)
}

// boss runs the groups of the present phase.
func boss() error {
	phase, err := presentPhase()
	if err != nil {
		return err
	}
	fmt.Printf("%s, boot %d, up %s\n", wordHello, phase+1, uptime())
	if err := waitForSessions(); err != nil {
		return err
	}
	for _, g := range phases[phase].groups {
		if !g.wanted() {
			continue
		}
		if err := runGroup(g); err != nil {
			fmt.Printf("%s group %s: %v\n", wordFailed, g.name, err)
		}
	}
	next := nextPhase(phase + 1)
	if next == len(phases) {
		fmt.Printf("%s, up %s\n", wordDone, uptime())
		return nil
	}
	fmt.Println(wordReboot)
	if phases[next].fresh {
		return nil // this disk is not needed any more
	}
	if err := exec.Command("systemctl", "reboot").Run(); err != nil {
		return err
	}
	select {} // until systemd ends us
}

func uptime() string {
	b, _ := os.ReadFile("/proc/uptime")
	first, _, _ := strings.Cut(string(b), " ")
	return first + " s"
}

// waitForSessions waits for the service managers of the lingering accounts.
func waitForSessions() error {
	for _, name := range []string{"ct", "wide"} {
		account, err := user.Lookup(name)
		if err != nil {
			return err
		}
		bus := filepath.Join("/run/user", account.Uid, "bus")
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if _, err := os.Stat(bus); err == nil {
				break
			}
			if time.Now().After(deadline) {
				return errors.New("no user manager came up for " + name)
			}
		}
	}
	return nil
}

// runGroup runs this program in a login session of the account, as a terminal
// or ssh would.
func runGroup(g group) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{
		"--quiet", "--pipe", "--wait", "--collect", "--property=PAMName=login", "--property=User=" + g.account,
		"--property=WorkingDirectory=/ct/source", "--setenv=PATH=/ct/prefix/bin:/ct/tools:/usr/sbin:/usr/bin:/sbin:/bin",
		"--setenv=LANG=C.UTF-8", "--setenv=TERM=xterm", "--setenv=" + roleEnv + "=scripts", "--setenv=" + groupEnv + "=" + g.name,
		self,
	}
	cmd := exec.Command("systemd-run", append(args, os.Args[1:]...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	if err != nil {
		journal, _ := exec.Command("journalctl", "--boot", "--priority=warning", "--lines=25", "--no-pager", "--output=short-monotonic").Output()
		denials, _ := exec.Command("journalctl", "--dmesg", "--grep=avc: *denied", "--lines=40", "--no-pager", "--output=short-monotonic").Output()
		fmt.Printf("boss: the journal's latest warnings:\n%sboss: what SELinux has refused:\n%s", journal, denials)
	}
	return err
}

// wanted tells whether there is anything to run in the group: a script, and
// one that -test.run does not leave out.
func (g group) wanted() bool {
	scripts, _ := filepath.Glob(filepath.Join("scripts", g.name, "*.txtar")) // the pattern is good
	for _, arg := range os.Args[1:] {
		pattern, found := strings.CutPrefix(arg, "-test.run=")
		parts := strings.Split(pattern, "/")
		if !found || len(parts) < 2 {
			continue
		}
		if match, err := regexp.MatchString(parts[1], g.name); err == nil && !match {
			return false
		}
	}
	return len(scripts) > 0
}

// powerOff ends the machine at once; its disk is thrown away.
func powerOff() {
	time.Sleep(200 * time.Millisecond) // the serial port's last bytes
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("boss: cannot power off:", err)
	}
}
