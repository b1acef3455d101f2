package userns

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// scopeTimeout bounds the wait for a systemd that does not answer. On a busy
// machine it takes seconds, and then what is started in its place must not
// die with the login.
const scopeTimeout = 20 * time.Second

// leaveSession moves the keeper into a scope of the user's systemd, out of the
// cgroup of the login session or service that happened to start it, which may
// be killed as a whole at its end. Where there is no systemd or no bus, nothing
// needs to be done; where it fails, the keeper lives as long as the session.
func leaveSession(pid int) {
	address := busAddress()
	if address == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	// A keeper in the session is better than none.
	_ = startScope(ctx, address, fmt.Sprintf("carob-keeper-%d.scope", pid), "carob's user namespace", pid)
}

// LeaveSession moves this process into a scope of its own of the user's
// systemd (root: of the system's), and so all that it starts afterwards. It
// does nothing where there is no systemd to ask, and where the process may
// stay. That is so in two places:
//
//   - Below the user's service manager. The kernel lets nobody move processes
//     into that part of the tree from elsewhere (cgroups(7), "Delegation
//     containment"), not even for an exec into a container that is there, and
//     logging out kills what is elsewhere.
//   - In a service, if service says so: systemd looks for a service's
//     processes in its cgroup.
func LeaveSession(service bool) error {
	own := ownCgroup()
	if own == "" || settled(own, service) {
		return nil
	}
	address := busAddress()
	if address == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	// The clock makes the name one that no earlier process of this number has.
	name := fmt.Sprintf("carob-%d-%d.scope", os.Getpid(), time.Now().UnixMilli())
	if err := startScope(ctx, address, name, "carob", os.Getpid()); err != nil {
		return err
	}
	return awaitScope(ctx, name)
}

// settled tells whether a process in this cgroup need not leave it.
func settled(own string, service bool) bool {
	leaf := filepath.Base(own)
	session := strings.HasPrefix(leaf, "session-") && strings.HasSuffix(leaf, ".scope")
	if !Rootless() {
		return !session
	}
	if strings.Contains(own, fmt.Sprintf("/user@%d.service/", RealUID())) {
		return true
	}
	return service && serviceCgroup(own)
}

// InService tells whether systemd has started this process as, or for, a
// service, and it is in the service's own cgroup.
func InService() bool { return serviceCgroup(ownCgroup()) }

// serviceCgroup: systemd sets the variable for what a service starts
// (systemd.exec(5)); a cron job or su is below a service by chance.
func serviceCgroup(own string) bool {
	return strings.HasSuffix(own, ".service") && os.Getenv("INVOCATION_ID") != ""
}

// ownCgroup is this process's version 2 cgroup; "" where there is none.
func ownCgroup() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path)
		}
	}
	return ""
}

// systemBus is where root's systemd listens for root alone, without a daemon
// in between.
const systemBus = "/run/systemd/private"

// busAddress is where the user's bus listens, "" where no systemd runs. The
// library's own search ends in starting a bus, which is not wanted here; and
// what the environment says comes second, as su hands on somebody else's.
func busAddress() string {
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return ""
	}
	if !Rootless() {
		return "unix:path=" + systemBus
	}
	if base, err := runtimeBase(); err == nil && isSocket(filepath.Join(base, "bus")) {
		return "unix:path=" + filepath.Join(base, "bus")
	}
	return os.Getenv("DBUS_SESSION_BUS_ADDRESS")
}

func isSocket(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().Type() == os.ModeSocket
}

// startScope asks systemd for a scope with the process in it. It is moved a
// moment after the answer.
func startScope(ctx context.Context, address, name, description string, pid int) error {
	conn, err := dialBus(ctx, address)
	if err != nil {
		return fmt.Errorf("cannot reach systemd: %w", err)
	}
	defer conn.Close()
	// Delegated: what carob makes below it is not systemd's business. Collected:
	// a process that ended before it was moved leaves no failed unit.
	properties := []systemd.Property{
		systemd.PropDescription(description), systemd.PropPids(uint32(pid)),
		{Name: "Delegate", Value: dbus.MakeVariant(true)}, {Name: "CollectMode", Value: dbus.MakeVariant("inactive-or-failed")},
	}
	var auxiliary []systemd.PropertyCollection
	manager := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	call := manager.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.StartTransientUnit", 0, name, "fail", properties, auxiliary)
	if call.Err != nil {
		return fmt.Errorf("cannot start %s: %w", name, call.Err)
	}
	return nil
}

// awaitScope waits until this process is in the scope: what it forks before
// that stays where it was. To look is cheaper than to be told.
func awaitScope(ctx context.Context, name string) error {
	for pause := 200 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if filepath.Base(ownCgroup()) == name {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot start %s: %w", name, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func dialBus(ctx context.Context, address string) (*dbus.Conn, error) {
	conn, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// Inside the user namespace we are 0, but who listens is outside.
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(RealUID()))})
	if err == nil && address != "unix:path="+systemBus {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
