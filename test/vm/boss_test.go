package vm

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
	"time"
)

// Words of the kernel's command line tell the boss which machine this is, and
// which phase of it.
const (
	machineWord = "carob.machine="
	phaseWord   = "carob.phase="
)

// kernelWord is what follows a word of the kernel's command line.
func kernelWord(word string) (string, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", err
	}
	for w := range strings.FieldsSeq(string(line)) {
		if value, ok := strings.CutPrefix(w, word); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("the kernel's command line has no %s", word)
}

// boss is what systemd starts in each machine, once per boot.
func boss() error {
	fmt.Printf("%s, up %s\n", wordHello, uptime())
	name, err := kernelWord(machineWord)
	if err != nil {
		return err
	}
	if name == powerCut {
		return cutBoss()
	}
	text, err := kernelWord(phaseWord)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(machines, func(m machine) bool { return m.name == name })
	return runPhase(machines[i], n)
}

// runPhase runs the groups of a phase.
func runPhase(m machine, n int) error {
	if err := waitForSessions("ct", "wide"); err != nil {
		return err
	}
	for _, g := range m.phases[n].groups {
		if !g.wanted() {
			continue
		}
		if err := runGroup(g); err != nil {
			complain(fmt.Errorf("group %s: %w", g.name, err))
		}
	}
	if m.nextPhase(n+1) == len(m.phases) {
		fmt.Printf("%s, up %s\n", wordDone, uptime())
		return nil
	}
	fmt.Println(wordReboot)
	if err := exec.Command("systemctl", "reboot").Run(); err != nil {
		return err
	}
	select {} // until systemd ends us
}

// complain tells the host what has failed, each line on its own.
func complain(err error) {
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		fmt.Println(wordFailed, strings.TrimSpace(line))
	}
}

func uptime() string {
	b, _ := os.ReadFile("/proc/uptime")
	first, _, _ := strings.Cut(string(b), " ")
	return first + " s"
}

// waitForSessions waits for the service managers of lingering accounts.
func waitForSessions(accounts ...string) error {
	for _, name := range accounts {
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

// inSession is this program in a login session of the account, as a terminal
// or ssh would run it.
func inSession(account string, env ...string) *exec.Cmd {
	args := []string{
		"--quiet", "--pipe", "--wait", "--collect", "--property=PAMName=login", "--property=User=" + account,
		"--property=WorkingDirectory=/ct/source", "--setenv=PATH=/ct/prefix/bin:/ct/tools:/usr/sbin:/usr/bin:/sbin:/bin",
		"--setenv=LANG=C.UTF-8", "--setenv=TERM=xterm",
	}
	for _, e := range env {
		args = append(args, "--setenv="+e)
	}
	cmd := exec.Command("systemd-run", append(append(args, "/ct/body"), os.Args[1:]...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// runGroup runs the scripts of a group.
func runGroup(g group) error {
	err := inSession(g.account, roleEnv+"=scripts", groupEnv+"="+g.name).Run()
	if err != nil {
		journal, _ := exec.Command("journalctl", "--boot", "--priority=warning", "--lines=25", "--no-pager", "--output=short-monotonic").Output()
		denials, _ := exec.Command("journalctl", "--dmesg", "--grep=avc: *denied", "--lines=40", "--no-pager", "--output=short-monotonic").Output()
		fmt.Printf("boss: the journal's latest warnings:\n%sboss: what SELinux has refused:\n%s", journal, denials)
	}
	return err
}

// powerOff ends the machine at once; its disk is thrown away.
func powerOff() {
	time.Sleep(200 * time.Millisecond) // the serial port's last bytes
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("boss: cannot power off:", err)
	}
}
