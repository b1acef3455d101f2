// Package vm tests carob on a real host with systemd and cgroup version 2: a
// Debian in a virtual machine (hack/vm-root.sh), booted by qemu.
//
// The test program runs three times over. Started by `go test` it is the host:
// it makes a disk with carob, itself and the scripts, boots the machines of
// plan_test.go, and passes on what comes out (machine_test.go). Started by
// systemd in a machine it is the boss, root, which goes through the groups of
// scripts, rebooting in between (boss_test.go). For each group it starts itself
// again in a login session of the group's account, and there the scripts run
// (script_test.go). The machine whose power is cut has no scripts
// (powercut_test.go, powercutguest_test.go).
package vm

import (
	"os"
	"testing"
)

// roleEnv says which of them this process is; unset: the host.
const roleEnv = "CAROB_VM_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "boss":
		if err := boss(); err != nil {
			complain(err)
		}
		powerOff()
	case "cut-user":
		if err := cutUser(); err != nil {
			complain(err)
		}
	default:
		os.Exit(m.Run())
	}
}

func TestVM(t *testing.T) {
	if os.Getenv(roleEnv) == "scripts" {
		runScripts(t)
		return
	}
	runMachines(t)
}
