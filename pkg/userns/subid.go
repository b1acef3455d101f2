package userns

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Range is a row of ids that belong to a user, a line of subuid(5).
type Range struct {
	Start, Size uint32
}

// SubIDs returns the ranges of user and group ids that belong to the user
// (name or number) in /etc/subuid and /etc/subgid, lowest first. Where those
// have none and nsswitch.conf names another source, getsubids(1) is asked.
func SubIDs(name string) (uids, gids []Range, err error) {
	if uids, err = subIDs("/etc/subuid", name); err != nil {
		return nil, nil, err
	}
	gids, err = subIDs("/etc/subgid", name)
	return uids, gids, err
}

func subIDs(file, name string) ([]Range, error) {
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the subordinate ids: %w", err)
	}
	ranges := parseSubIDs(string(data), names(name))
	if len(ranges) > 0 || !subidFromNSS() {
		return ranges, nil
	}
	args := []string{name}
	if file == "/etc/subgid" {
		args = []string{"-g", name}
	}
	out, err := exec.Command("getsubids", args...).Output()
	if err != nil {
		return nil, nil // the user has none there either, or the tool is missing
	}
	return parseGetsubids(string(out)), nil
}

// names are the words a line for the user may start with.
func names(name string) []string {
	if u, err := user.Lookup(name); err == nil {
		return []string{u.Username, u.Uid}
	}
	if u, err := user.LookupId(name); err == nil {
		return []string{u.Username, u.Uid}
	}
	return []string{name}
}

// parseSubIDs reads lines "USER:START:SIZE". Lines that are not of that form
// are passed over, as newuidmap does.
func parseSubIDs(data string, names []string) []Range {
	var ranges []Range
	for line := range strings.Lines(data) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 3 && slices.Contains(names, f[0]) {
			ranges = appendRange(ranges, f[1], f[2])
		}
	}
	return sorted(ranges)
}

// parseGetsubids reads lines "N: USER START SIZE".
func parseGetsubids(data string) []Range {
	var ranges []Range
	for line := range strings.Lines(data) {
		if f := strings.Fields(line); len(f) == 4 {
			ranges = appendRange(ranges, f[2], f[3])
		}
	}
	return sorted(ranges)
}

func appendRange(ranges []Range, start, size string) []Range {
	s, err1 := strconv.ParseUint(start, 10, 32)
	n, err2 := strconv.ParseUint(size, 10, 32)
	if err1 != nil || err2 != nil || n == 0 || s+n > 1<<32-1 {
		return ranges
	}
	return append(ranges, Range{uint32(s), uint32(n)})
}

// sorted puts the lowest first: the order in which podman and buildah map
// ranges, and images they unpacked must keep their owners.
func sorted(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.Start, b.Start) })
	return ranges
}

func subidFromNSS() bool {
	data, _ := os.ReadFile("/etc/nsswitch.conf")
	for line := range strings.Lines(string(data)) {
		if key, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && key == "subid" {
			return true
		}
	}
	return false
}
