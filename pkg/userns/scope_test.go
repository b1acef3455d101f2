package userns

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// TestCorner40KeeperLeavesTheSession: what systemd is asked for. A bus of the
// test's own stands in for the user's, and systemd's one method on it for
// systemd; that the scope outlives a logout is for the virtual machine's tests.
func TestCorner40KeeperLeavesTheSession(t *testing.T) {
	address := startBus(t)
	asked := make(chan startedUnit, 1)
	serveSystemd(t, address, asked)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := startScope(ctx, address, "carob-keeper-4711.scope", "d", 4711); err != nil {
		t.Fatal(err)
	}
	unit := <-asked
	if unit.name != "carob-keeper-4711.scope" {
		t.Errorf("unit %s", unit.name)
	}
	if pids, ok := unit.properties["PIDs"].Value().([]uint32); !ok || len(pids) != 1 || pids[0] != 4711 {
		t.Errorf("properties %v", unit.properties)
	}
}

func TestNoBusIsNoError(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if address := busAddress(); address != "" && os.Getuid() != 0 {
		t.Errorf("a bus at %s", address)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := startScope(ctx, "unix:path=/nonexistent/bus", "x.scope", "d", 1); err == nil {
		t.Error("no error without a bus")
	}
}

func startBus(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip("dbus-daemon is not installed")
	}
	socket := filepath.Join(t.TempDir(), "bus")
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address=unix:path="+socket)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("no bus: %v", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Skipf("no bus: %v", err)
	}
	return strings.TrimSpace(line)
}

type startedUnit struct {
	name       string
	properties map[string]dbus.Variant
}

// manager is org.freedesktop.systemd1.Manager as far as it is needed.
type manager struct {
	conn  *dbus.Conn
	asked chan startedUnit
}

type property struct {
	Name  string
	Value dbus.Variant
}

type auxUnit struct {
	Name       string
	Properties []property
}

func (m *manager) StartTransientUnit(name, _ string, properties []property, _ []auxUnit) (dbus.ObjectPath, *dbus.Error) {
	unit := startedUnit{name, map[string]dbus.Variant{}}
	for _, p := range properties {
		unit.properties[p.Name] = p.Value
	}
	m.asked <- unit
	const job = dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
	go func() {
		time.Sleep(10 * time.Millisecond)
		m.conn.Emit("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager.JobRemoved", uint32(1), job, name, "done")
	}()
	return job, nil
}

func (m *manager) Subscribe() *dbus.Error { return nil }

func serveSystemd(t *testing.T, address string, asked chan startedUnit) {
	t.Helper()
	conn, err := dialBus(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Export(&manager{conn, asked}, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", 0); err != nil {
		t.Fatal(err)
	}
}

// TestCorner41WhoLeavesItsCgroup: below the user's service manager one stays,
// in a service too, and what was put elsewhere leaves.
func TestCorner41WhoLeavesItsCgroup(t *testing.T) {
	t.Setenv(rootlessUID, "1000")
	for _, c := range []struct {
		own, invocation string
		service, want   bool
	}{
		{"/user.slice/user-1000.slice/session-3.scope", "", true, false},
		{"/user.slice/user-1000.slice/session-3.scope", "x", true, false},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "x", true, true},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope", "", false, true},
		{"/user.slice/user-1001.slice/user@1001.service/app.slice/x.scope", "", true, false},
		{"/system.slice/x.service", "x", true, true},
		{"/system.slice/x.service", "x", false, false},
		{"/system.slice/cron.service", "", true, false},
	} {
		t.Setenv("INVOCATION_ID", c.invocation)
		if got := settled(c.own, c.service); got != c.want {
			t.Errorf("%+v: settled is %v", c, got)
		}
	}
}
