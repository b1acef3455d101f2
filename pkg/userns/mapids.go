package userns

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// mapIDs gives the new namespace of process pid its ids: 0 is the user, from 1
// on come the user's subordinate ranges. Without ranges, or without the
// programs that may write them, only 0 is mapped, and the user is told.
func mapIDs(pid int, opts *Options) error {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	uids, gids, err := SubIDs(name)
	if err != nil {
		return err
	}
	why := mapRanges(pid, name, uids, gids)
	if why == nil {
		return nil
	}
	if err := mapSelf(pid); err != nil {
		return err
	}
	if opts.Warn != nil {
		opts.Warn("only your own user id is mapped, images with several users will not work: " + why.Error())
	}
	return nil
}

// mapRanges has newuidmap(1) and newgidmap(1) write the mapping, side by side.
// The error says what is missing and how it is cured.
func mapRanges(pid int, name string, uids, gids []Range) error {
	if len(uids) == 0 || len(gids) == 0 {
		return fmt.Errorf("no range for %q in /etc/subuid and /etc/subgid (as root: %s; then: carob system migrate)",
			name, addRanges(name))
	}
	gidDone := make(chan error, 1)
	go func() { gidDone <- runMapper("newgidmap", pid, os.Getgid(), gids) }()
	uidErr, gidErr := runMapper("newuidmap", pid, os.Getuid(), uids), <-gidDone
	if uidErr != nil {
		return uidErr // most often the other is missing for the same reason
	}
	return gidErr
}

func runMapper(program string, pid, own int, ranges []Range) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("%s is not installed (as root: apt-get install uidmap; then: carob system migrate)", program)
	}
	args := []string{strconv.Itoa(pid), "0", strconv.Itoa(own), "1"}
	next := uint64(1)
	for _, r := range ranges {
		args = append(args, fmt.Sprint(next), fmt.Sprint(r.Start), fmt.Sprint(r.Size))
		next += uint64(r.Size)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s failed (%w): %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// mapSelf writes the one-id mapping that the kernel allows everybody. What a
// mapper has already written stays.
func mapSelf(pid int) error {
	dir := fmt.Sprintf("/proc/%d/", pid)
	if !isMapped(dir + "uid_map") {
		if err := os.WriteFile(dir+"uid_map", fmt.Appendf(nil, "0 %d 1\n", os.Geteuid()), 0); err != nil {
			return fmt.Errorf("cannot map your user id: %w", err)
		}
	}
	if isMapped(dir + "gid_map") {
		return nil
	}
	// The kernel wants groups given up first, so that nobody sheds a group
	// that forbids him something (user_namespaces(7)).
	if err := os.WriteFile(dir+"setgroups", []byte("deny"), 0); err != nil {
		return fmt.Errorf("cannot map your group id: %w", err)
	}
	if err := os.WriteFile(dir+"gid_map", fmt.Appendf(nil, "0 %d 1\n", os.Getegid()), 0); err != nil {
		return fmt.Errorf("cannot map your group id: %w", err)
	}
	return nil
}

func isMapped(file string) bool {
	maps, err := ReadMap(file)
	return err == nil && len(maps) > 0
}

// addRanges is the command that gives the user ranges nobody else has.
func addRanges(name string) string {
	const size = 65536
	first := uint64(100000)
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		data, _ := os.ReadFile(file)
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) != 3 {
				continue
			}
			for _, r := range appendRange(nil, f[1], f[2]) {
				first = max(first, uint64(r.Start)+uint64(r.Size))
			}
		}
	}
	ids := fmt.Sprintf("%d-%d", first, first+size-1)
	return fmt.Sprintf("usermod --add-subuids %s --add-subgids %s %s", ids, ids, name)
}
