// Package userns gets an unprivileged user's carob into the one user and mount
// namespace that all of the user's containers share.
//
// The namespaces are held open by the keeper, a tiny process per user. Package
// join enters them before Go starts whenever a keeper lives; Enter makes one
// where none does. Which process is the keeper stands in two records of one
// line, "PID STARTTIME BOOTID\n":
//
//	RUNTIMEDIR/keeper  the one the fast way reads; gone after a reboot
//	STATEDIR/keeper    finds the keeper again from another or a wiped runtime dir
//
// Real root needs none of this: every function here works for root and Enter
// does nothing.
package userns

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What containers/storage and podman's family of tools read to know that they
// are inside, and who the user is outside.
const (
	configuredEnv = "_CONTAINERS_USERNS_CONFIGURED"
	rootlessUID   = "_CONTAINERS_ROOTLESS_UID"
	rootlessGID   = "_CONTAINERS_ROOTLESS_GID"
)

// Rootless tells whether carob works for an unprivileged user: inside a user
// namespace, on the way into one, or as a root without its capabilities. The
// answer agrees with that of containers/storage.
func Rootless() bool {
	if os.Geteuid() != 0 || os.Getenv(rootlessUID) != "" || os.Getenv(configuredEnv) != "" {
		return true
	}
	return !allIDsMapped() || !hasSysAdmin()
}

// RealUID is the user's id outside carob's user namespace.
func RealUID() int { return realID(rootlessUID, "/proc/self/uid_map", os.Geteuid()) }

// RealGID is the user's group id outside carob's user namespace.
func RealGID() int { return realID(rootlessGID, "/proc/self/gid_map", os.Getegid()) }

func realID(env, file string, effective int) int {
	if id, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return id
	}
	maps, err := ReadMap(file)
	if err != nil || effective != 0 {
		return effective
	}
	for _, m := range maps {
		if m.Container == 0 {
			return int(m.Host)
		}
	}
	return effective
}

// Mapping returns the id mapping of the namespace carob is in, as the kernel
// has it (user_namespaces(7)); Host ids are those of the namespace outside.
func Mapping() (uids, gids []IDMap, err error) {
	if uids, err = ReadMap("/proc/self/uid_map"); err != nil {
		return nil, nil, err
	}
	gids, err = ReadMap("/proc/self/gid_map")
	return uids, gids, err
}

// ReadMap reads a file in the form of /proc/PID/uid_map (user_namespaces(7)).
func ReadMap(file string) ([]IDMap, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the id mapping: %w", err)
	}
	var maps []IDMap
	for line := range strings.Lines(string(data)) {
		var m IDMap
		if _, err := fmt.Sscan(line, &m.Container, &m.Host, &m.Size); err != nil {
			return nil, fmt.Errorf("cannot read the id mapping in %s: line %q: %w", file, line, err)
		}
		maps = append(maps, m)
	}
	return maps, nil
}

// allIDsMapped is true in the namespace the machine booted with: only there
// does a mapping reach the highest id.
func allIDsMapped() bool {
	maps, err := ReadMap("/proc/self/uid_map")
	return err != nil || len(maps) == 1 && maps[0].Size == 1<<32-1
}

func hasSysAdmin() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return true
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
