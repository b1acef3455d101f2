package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/spec"
)

// call is a struct seccomp_data without the instruction pointer.
type call struct {
	number, arch uint32
	args         [6]uint64
}

func (c call) word(offset uint32) uint32 {
	switch {
	case offset == dataNumber:
		return c.number
	case offset == dataArch:
		return c.arch
	case (offset-dataArgs)%8 == 0:
		return uint32(c.args[(offset-dataArgs)/8])
	}
	return uint32(c.args[(offset-dataArgs)/8] >> 32)
}

// simulate runs a program as the kernel would, see net/core/filter.c.
func simulate(t *testing.T, program []unix.SockFilter, c call) uint32 {
	t.Helper()
	var a uint32
	for pc := 0; pc < len(program); pc++ {
		i := program[pc]
		var jump bool
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = c.word(i.K)
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= i.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump = a == i.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			jump = a > i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump = a >= i.K
		default:
			t.Fatalf("instruction %d has the unknown code %#x", pc, i.Code)
		}
		if jump {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	t.Fatal("ran past the end")
	return 0
}

func decode(t *testing.T, filter []byte) []unix.SockFilter {
	t.Helper()
	program := make([]unix.SockFilter, len(filter)/8)
	must(t, binary.Read(bytes.NewReader(filter), binary.NativeEndian, program))
	return program
}

// filterOf is what Generate gave crun.
func filterOf(t *testing.T, config *rspec.Spec) []unix.SockFilter {
	t.Helper()
	if nativeArch == 0 {
		t.Skip("no table for this architecture")
	}
	filter, err := base64.StdEncoding.DecodeString(config.Annotations[filterAnnotation])
	must(t, err)
	if len(filter) == 0 {
		t.Fatal("no filter was compiled")
	}
	return decode(t, filter)
}

// expected is what the profile says of a call, read rule by rule.
func expected(s *rspec.LinuxSeccomp, name string, c call, wide bool) uint32 {
	for _, rule := range s.Syscalls {
		if slices.Contains(rule.Names, name) && !slices.ContainsFunc(rule.Args, func(a rspec.LinuxSeccompArg) bool { return !holds(a, c, wide) }) {
			value, _ := returnValue(rule.Action, rule.ErrnoRet)
			return value
		}
	}
	value, _ := returnValue(s.DefaultAction, s.DefaultErrnoRet)
	return value
}

func holds(a rspec.LinuxSeccompArg, c call, wide bool) bool {
	have, want := c.args[a.Index], a.Value
	if !wide {
		have, want = uint64(uint32(have)), uint64(uint32(want))
	}
	switch a.Op {
	case rspec.OpEqualTo:
		return have == want
	case rspec.OpGreaterThan:
		return have > want
	}
	return have < want
}

// argSamples are first arguments on all sides of the values rules compare with.
func argSamples() []uint64 {
	return []uint64{0, 1, 8, 9, 16, 37, 38, 39, 40, 41, 0x20000, 0x20008, 0x20009, 0xfffffffe, 0xffffffff,
		1 << 32, 1<<32 + 38, 1<<32 + 39, 1<<32 + 41, 0xffffffff_00000000, 0xffffffff_ffffffff}
}

func TestCorner36FilterIsTheProfile(t *testing.T) {
	for name, security := range map[string]spec.Security{
		"default": {}, "more": {CapAdd: []string{"SYS_ADMIN", "SYS_TIME", "BPF"}}, "less": {CapDrop: []string{"all"}},
	} {
		config := generateOK(t, with(func(in *Input) { in.Spec.Security = security }))
		program := filterOf(t, config)
		for _, table := range []struct {
			arch   uint32
			wide   bool
			number map[string]uint32
		}{{nativeArch, true, callNumbers(nativeCalls)}, {compatArch, false, callNumbers(compatCalls)}} {
			known := map[uint32]bool{}
			for _, call := range allNames(config.Linux.Seccomp) {
				if n, exists := table.number[call]; exists {
					known[n] = true
					compareCall(t, program, config.Linux.Seccomp, call, n, table.arch, table.wide)
				}
			}
			for n := range uint32(1200) {
				if !known[n] {
					compareCall(t, program, config.Linux.Seccomp, "no such name", n, table.arch, table.wide)
				}
			}
		}
		t.Logf("%s: %d instructions", name, len(program))
	}
}

func compareCall(t *testing.T, program []unix.SockFilter, s *rspec.LinuxSeccomp, name string, number, arch uint32, wide bool) {
	t.Helper()
	for _, first := range argSamples() {
		c := call{number: number, arch: arch, args: [6]uint64{first, 0, first}}
		if got, want := simulate(t, program, c), expected(s, name, c, wide); got != want {
			t.Errorf("%s (%d) on %#x with %#x: %#x, want %#x", name, number, arch, first, got, want)
		}
	}
}

func allNames(s *rspec.LinuxSeccomp) []string {
	var names []string
	for _, rule := range s.Syscalls {
		names = append(names, rule.Names...)
	}
	return names
}

func TestCorner36FilterOddCalls(t *testing.T) {
	program := filterOf(t, generateOK(t, sample()))
	noSuchCall := uint32(unix.SECCOMP_RET_ERRNO | unix.ENOSYS)
	for _, c := range []struct {
		call
		want uint32
	}{
		{call{number: 0, arch: nativeArch}, unix.SECCOMP_RET_ALLOW},
		{call{number: 1 << 30, arch: nativeArch}, noSuchCall}, // x32
		{call{number: 0xffffffff, arch: nativeArch}, noSuchCall},
		{call{number: 0xffffffff, arch: compatArch}, noSuchCall},
		{call{number: 0, arch: 0x12345678}, unix.SECCOMP_RET_KILL_THREAD},
	} {
		if got := simulate(t, program, c.call); got != c.want {
			t.Errorf("%+v: %#x, want %#x", c.call, got, c.want)
		}
	}
}

func TestFilterOnlyWhereItIsSure(t *testing.T) {
	rule := func(action rspec.LinuxSeccompAction, args ...rspec.LinuxSeccompArg) rspec.LinuxSyscall {
		return rspec.LinuxSyscall{Names: []string{"read"}, Action: action, Args: args}
	}
	arg := rspec.LinuxSeccompArg{Op: rspec.OpEqualTo}
	for name, s := range map[string]rspec.LinuxSeccomp{
		"unknown default":            {DefaultAction: rspec.ActTrap},
		"unknown action":             {DefaultAction: rspec.ActErrno, Syscalls: []rspec.LinuxSyscall{rule(rspec.ActNotify)}},
		"masked":                     {DefaultAction: rspec.ActErrno, Syscalls: []rspec.LinuxSyscall{rule(rspec.ActAllow, rspec.LinuxSeccompArg{Op: rspec.OpMaskedEqual})}},
		"contradiction":              {DefaultAction: rspec.ActErrno, Syscalls: []rspec.LinuxSyscall{rule(rspec.ActAllow), rule(rspec.ActErrno)}},
		"with and without arguments": {DefaultAction: rspec.ActErrno, Syscalls: []rspec.LinuxSyscall{rule(rspec.ActAllow, arg), rule(rspec.ActAllow)}},
	} {
		if compileFilter(&s) != nil {
			t.Errorf("%s: compiled", name)
		}
	}
	for name, in := range map[string]Input{
		"runc": with(func(in *Input) { in.Host.Runtime = "runc" }),
		"own profile": with(func(in *Input) {
			in.Spec.Security.Seccomp, in.SeccompProfile = "/p", []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}`)
		}),
		"unconfined": with(func(in *Input) { in.Spec.Security.Seccomp = "unconfined" }),
	} {
		if _, have := generateOK(t, in).Annotations[filterAnnotation]; have {
			t.Errorf("%s: has a compiled filter", name)
		}
	}
}

// TestFilterComparisons checks each operator against both halves of values.
func TestFilterComparisons(t *testing.T) {
	values := []uint64{0, 1, 5, 0xffffffff, 1 << 32, 1<<32 + 5, 7<<32 + 5, 7<<32 + 4, 6<<32 + 9, ^uint64(0)}
	for _, op := range []rspec.LinuxSeccompOperator{rspec.OpEqualTo, rspec.OpGreaterThan, rspec.OpLessThan} {
		for _, value := range values {
			for _, wide := range []bool{true, false} {
				args := []rspec.LinuxSeccompArg{{Index: 1, Op: op, Value: value}, {Index: 3, Op: rspec.OpEqualTo, Value: 3}}
				program := append(condition(args, 77, wide), ret(88))
				for _, have := range values {
					for _, third := range []uint64{3, 4} {
						c := call{args: [6]uint64{0, have, 0, third}}
						want := uint32(88)
						if holds(args[0], c, wide) && third == 3 {
							want = 77
						}
						if got := simulate(t, program, c); got != want {
							t.Errorf("%#x %s %#x, wide %v: %d, want %d", have, op, value, wide, got, want)
						}
					}
				}
			}
		}
	}
}
