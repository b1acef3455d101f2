package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// bootLimit is for the first word of the boss, quietLimit for each further
	// line, and runLimit for all of it. An emulated machine on a busy host is slow.
	bootLimit  = 10 * time.Minute
	kvmLimit   = 20 * time.Second
	quietLimit = 10 * time.Minute
	runLimit   = 45 * time.Minute
)

// What the boss says to the host, each on a line of its own.
const (
	wordHello  = "boss: here"
	wordFailed = "boss: failed:"
	wordReboot = "boss: reboots"
	wordDone   = "boss: done"
)

// run boots the machine and fails unless all tests in it pass.
func (m machine) run(t *testing.T, d *disks) {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	began := time.Now()
	var r *report
	var err error
	for _, accel := range accelerators() {
		r = &report{}
		err = m.bootAll(ctx, d, accel, r)
		if !errors.Is(err, errNoBoot) || accel == emulation {
			break
		}
		fmt.Printf("vm: no boot with %s: going on without\n", accel)
	}
	fmt.Printf("vm: ran %d tests inside %s, %d failed, %d skipped, in %s\n", r.ran, m.name, r.failed, r.skipped, time.Since(began).Round(time.Second))
	switch {
	case err != nil:
		t.Errorf("%s: %v\nthe console's end:\n%s", m.name, err, d.consoleTail())
	case r.failed > 0 || r.broken:
		t.Errorf("%d tests failed inside %s", r.failed, m.name)
	case r.ran == 0:
		t.Errorf("no test ran inside %s; the console's end:\n%s", m.name, d.consoleTail())
	}
}

// emulation is slow, and works everywhere.
const emulation = "tcg,thread=multi"

// accelerators are tried in order. /dev/kvm may be there and not work, as in
// a virtual machine that lacks something for another one.
func accelerators() []string {
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return []string{emulation}
	}
	kvm.Close()
	return []string{"kvm", emulation}
}

// errNoBoot: nothing was heard from inside.
var errNoBoot = errors.New("cannot boot the virtual machine")

// report counts what the machine says of its tests.
type report struct {
	ran, failed, skipped int
	broken               bool // a group's program failed, if only its beginning or end
	reboots              bool // the machine is to be switched on again
	done                 bool
}

// A leaf is TestVM/GROUP/NAME: go test's lines for the groups do not count.
var resultLine = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): TestVM/[^/ ]+/[^/ ]+ `)

func (r *report) note(line string) {
	if m := resultLine.FindStringSubmatch(line); m != nil {
		r.ran++
		switch m[1] {
		case "FAIL":
			r.failed++
		case "SKIP":
			r.skipped++
			r.ran--
		}
	}
	r.broken = r.broken || strings.HasPrefix(line, wordFailed)
	r.reboots = r.reboots || strings.HasPrefix(line, wordReboot)
	r.done = r.done || strings.HasPrefix(line, wordDone)
}

// bootAll goes through the phases that something is wanted of.
func (m machine) bootAll(ctx context.Context, d *disks, accel string, r *report) error {
	if err := d.reset(); err != nil {
		return err
	}
	for n := m.nextPhase(0); n < len(m.phases); n = m.nextPhase(n + 1) {
		r.reboots = false
		if err := m.boot(ctx, d, accel, n, r); err != nil {
			return err
		}
	}
	return nil
}

// boot runs the machine until it powers itself off or reboots. Then qemu ends,
// too, and is started anew: an emulated machine that was reset is slow.
func (m machine) boot(ctx context.Context, d *disks, accel string, n int, r *report) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := bootLimit
	if accel == "kvm" {
		limit = kvmLimit
	}
	late := false
	silence := time.AfterFunc(limit, func() { late = true; cancel() })
	defer silence.Stop()
	kernel := fmt.Sprintf("%s%s %s%d %s", machineWord, m.name, phaseWord, n, m.phases[n].kernel)
	err := d.boot(ctx, accel, kernel, func(line string) {
		silence.Reset(quietLimit)
		r.note(line)
		fmt.Printf("%s: %s\n", m.name, line)
	})
	switch {
	case errors.Is(err, errNoBoot):
		return err
	case late:
		return fmt.Errorf("cannot go on: nothing was heard for %s", quietLimit)
	case ctx.Err() != nil:
		return fmt.Errorf("cannot wait longer than %s for the tests inside", runLimit)
	case !r.done && !r.reboots:
		return fmt.Errorf("the machine ended before its tests did: %w", err)
	}
	return nil
}

// disks is what the machine boots from.
type disks struct {
	root    string // directory of hack/vm-root.sh
	overlay string // what is written to the root disk
	payload string // carob and the tests
	console string // what the kernel and systemd say
	cpus    int    // of the machine
}

// of is what the machine of that name boots from: it writes to disks of its own.
func (d *disks) of(name string, cpus int) *disks {
	own := *d
	own.cpus = cpus
	own.overlay += "-" + name
	own.console += "-" + name
	return &own
}

// boot runs qemu until it ends, with further words for the kernel, and hands on
// each line that the boss says.
func (d *disks) boot(ctx context.Context, accel, kernel string, hear func(line string)) error {
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", d.arguments(accel, kernel)...)
	// It ends with us however we end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	heard := false
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		heard = heard || strings.HasPrefix(line, wordHello) // before that come the firmware's words
		if heard {
			hear(line)
		}
	}
	err = cmd.Wait()
	switch {
	case !heard:
		return fmt.Errorf("%w: %v: %s", errNoBoot, err, &complaint)
	case err != nil:
		return fmt.Errorf("%w: %s", err, &complaint)
	}
	return nil
}

// quickKernel saves an emulated machine most of its time: what it has translated
// of a program serves the next process that has it at the same addresses, memory
// is filled with zeros by the page, when it is needed, system calls take the
// short way, and what only looks now and then is not woken more often than the
// clock ticks, and there are as many serial ports as we use. So do noAudit, for machines in which nobody looks into the audit
// log, and noSecurity, for those in which AppArmor and SELinux are not tested.
const (
	quickKernel = "mitigations=off norandmaps init_on_alloc=0 transparent_hugepage=never " +
		"hardened_usercopy=off randomize_kstack_offset=off highres=off 8250.nr_uarts=2 "
	noAudit    = "audit=0"
	noSecurity = noAudit + " lsm=yama"
)

func (d *disks) arguments(accel, kernel string) []string {
	cpu := "max"
	if accel == emulation {
		// AVX in programs that see it would only be slower; without rdrand the
		// kernel gathers randomness for a second.
		cpu = "Nehalem,+rdrand"
	}
	return []string{
		"-machine", "q35", "-accel", accel, "-cpu", cpu, "-m", "3072", "-smp", strconv.Itoa(d.cpus),
		"-no-reboot", "-display", "none", "-monitor", "none", "-no-user-config", "-nodefaults",
		"-kernel", filepath.Join(d.root, "vmlinuz"), "-initrd", filepath.Join(d.root, "initrd"),
		"-append", "root=/dev/vda rw console=ttyS0 quiet loglevel=4 systemd.show_status=auto " + quickKernel + kernel,
		"-drive", "file=" + d.overlay + ",if=virtio,cache=unsafe",
		"-drive", "file=" + d.payload + ",if=virtio,format=raw,readonly=on",
		"-nic", "user,model=virtio-net-pci,restrict=on",
		"-serial", "file:" + d.console, "-serial", "stdio",
	}
}

// reset gives the machine a root disk as hack/vm-root.sh made it.
func (d *disks) reset() error {
	if err := os.RemoveAll(d.overlay); err != nil {
		return err
	}
	return run("", "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", filepath.Join(d.root, "root.img"), d.overlay)
}

func (d *disks) consoleTail() string {
	b, err := os.ReadFile(d.console)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}
