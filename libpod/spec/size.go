package spec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseSize reads a size in bytes: a number, whole or with a fraction, and a
// unit b, k, m, g, t or p (powers of 1024, either case, "b" or "ib" may
// follow). It is never negative.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, ok := sizeUnit(strings.ToLower(strings.TrimSpace(s[len(digits):])))
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || n < 0 || math.IsNaN(n) {
		return 0, fmt.Errorf("invalid size: '%s'", s)
	}
	if n *= float64(unit); n >= math.MaxInt64 {
		return 0, fmt.Errorf("size '%s' is too large", s)
	}
	return int64(n), nil
}

func sizeUnit(s string) (int64, bool) {
	if len(s) == 2 {
		s = strings.TrimSuffix(s, "b")
	} else if len(s) == 3 {
		s = strings.TrimSuffix(s, "ib")
	}
	switch s {
	case "", "b":
		return 1, true
	}
	power := strings.Index("kmgtp", s)
	if len(s) != 1 || power < 0 {
		return 0, false
	}
	return 1 << (10 * (power + 1)), true
}

// ParseSwap reads --memory-swap: a size, or -1 for no limit.
func ParseSwap(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	return ParseSize(s)
}

// Unlimited is a limit without end, in Ulimit and DeviceRate.
const Unlimited = math.MaxUint64

// Ulimit is one --ulimit, parsed. Numbers are in the unit of setrlimit(2).
type Ulimit struct {
	Name       string // as in Ulimits
	Soft, Hard uint64
}

// Ulimits are the names --ulimit knows; RLIMIT_ and the upper case name is
// the kernel's.
func Ulimits() []string {
	return []string{"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice",
		"nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}
}

// ParseUlimit reads NAME=SOFT[:HARD], where -1 is "unlimited".
func ParseUlimit(s string) (Ulimit, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return Ulimit{}, fmt.Errorf("ulimit option %q requires name=SOFT:HARD", s)
	}
	if !slices.Contains(Ulimits(), name) {
		return Ulimit{}, fmt.Errorf("ulimit option %q requires name=SOFT:HARD, failed to be parsed: invalid ulimit type: %s", s, name)
	}
	softWord, hardWord, both := strings.Cut(value, ":")
	if !both {
		hardWord = softWord
	}
	soft, err := parseLimit(softWord)
	hard, err2 := parseLimit(hardWord)
	if err = errors.Join(err, err2); err != nil {
		return Ulimit{}, fmt.Errorf("ulimit option %q requires name=SOFT:HARD, failed to be parsed: not a number", s)
	}
	if soft > hard {
		return Ulimit{}, fmt.Errorf("ulimit option %q requires name=SOFT:HARD, failed to be parsed: ulimit soft limit must be less than or equal to hard limit: %s > %s", s, softWord, hardWord)
	}
	return Ulimit{Name: name, Soft: soft, Hard: hard}, nil
}

func parseLimit(s string) (uint64, error) {
	if s == "-1" || s == "unlimited" {
		return Unlimited, nil
	}
	return strconv.ParseUint(s, 10, 64)
}

// DeviceRate is one PATH:RATE of --device-read-bps and its kin, or
// PATH:WEIGHT of --blkio-weight-device.
type DeviceRate struct {
	Path string
	Rate uint64
}

// ParseDeviceBytes reads PATH:RATE with the rate in bytes per second, with a
// unit.
func ParseDeviceBytes(s string) (DeviceRate, error) {
	path, value, err := cutDevice(s)
	if err != nil {
		return DeviceRate{}, err
	}
	n, err := ParseSize(value)
	if err != nil {
		return DeviceRate{}, fmt.Errorf("invalid rate for device %s: %w", path, err)
	}
	return DeviceRate{path, uint64(n)}, nil
}

// ParseDeviceCount reads PATH:N, operations per second or a weight.
func ParseDeviceCount(s string) (DeviceRate, error) {
	path, value, err := cutDevice(s)
	if err != nil {
		return DeviceRate{}, err
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return DeviceRate{}, fmt.Errorf("invalid rate for device %s: '%s' is not a positive integer", path, value)
	}
	return DeviceRate{path, n}, nil
}

func cutDevice(s string) (path, value string, err error) {
	path, value, ok := strings.Cut(s, ":")
	if !ok || !strings.HasPrefix(path, "/dev/") || value == "" {
		return "", "", fmt.Errorf("bad format: %s, expected DEVICE:VALUE with a device below /dev", s)
	}
	return path, value, nil
}

// BlockDevicePaths are the block devices the limits name, each once.
func (r *Resources) BlockDevicePaths() []string {
	var paths []string
	for _, list := range [][]string{r.BlkioWeightDevice, r.DeviceReadBPS, r.DeviceWriteBPS, r.DeviceReadIOPS, r.DeviceWriteIOPS} {
		for _, word := range list {
			if path, _, _ := strings.Cut(word, ":"); !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// DeviceRule is one --device-cgroup-rule. A number of -1 stands for all.
type DeviceRule struct {
	Type         string // a, b or c
	Major, Minor int64
	Access       string
}

// ParseDeviceRule reads "TYPE MAJOR:MINOR ACCESS", as in "c 1:* rwm".
func ParseDeviceRule(s string) (DeviceRule, error) {
	bad := fmt.Errorf("invalid device-cgroup-rule %q, expected TYPE MAJOR:MINOR ACCESS as in \"c 1:3 rwm\"", s)
	words := strings.Fields(s)
	if len(words) != 3 || !slices.Contains([]string{"a", "b", "c"}, words[0]) || strings.Trim(words[2], "rwm") != "" {
		return DeviceRule{}, bad
	}
	major, minor, ok := strings.Cut(words[1], ":")
	r := DeviceRule{Type: words[0], Access: words[2]}
	var err, err2 error
	r.Major, err = parseDeviceNumber(major)
	r.Minor, err2 = parseDeviceNumber(minor)
	if !ok || err != nil || err2 != nil {
		return DeviceRule{}, bad
	}
	return r, nil
}

func parseDeviceNumber(s string) (int64, error) {
	if s == "*" {
		return -1, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return int64(n), err
}

// ParseUmask reads an octal umask; "" is 0022.
func ParseUmask(s string) (uint32, error) {
	if s == "" {
		return 0o022, nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("invalid umask string %s: not an octal number up to 0777", s)
	}
	return uint32(n), nil
}
