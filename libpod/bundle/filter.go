package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

//go:generate go run ../../hack/gensyscalls

// This file compiles the default seccomp profile to the program the kernel
// runs on each system call (classic BPF, see seccomp(2) and bpf(4)). The
// runtime can do that as well, with libseccomp, but takes longer for it than
// for all the rest of a container's start.
//
// The program looks up the call's number by bisection:
//
//	architecture? -- neither of ours --> kill
//	  number >= 40? -- number >= 80? -- ... --> the verdict on a range of numbers
//
// and only where the verdict depends on arguments looks at those. Whatever
// cannot be expressed gives no program, and libseccomp compiles it after all.
// Calls of the x32 ABI (x86_64 numbers from 1<<30) are calls nobody knows.

// Offsets in struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// verdict is what becomes of a call: rules with conditions in turn, then the
// action that stands for all other cases.
type verdict struct {
	conditional []rspec.LinuxSyscall
	action      uint32
}

func (v verdict) plain() bool { return len(v.conditional) == 0 }

// span is a range of call numbers, up to the next one's first, with one verdict.
type span struct {
	first uint32
	verdict
}

// compileFilter returns the program as an array of struct sock_filter, or nil
// if this machine or this profile is not one it can do.
func compileFilter(s *rspec.LinuxSeccomp) []byte {
	fallback, ok := returnValue(s.DefaultAction, s.DefaultErrnoRet)
	if !ok || nativeArch == 0 {
		return nil
	}
	native, ok := spans(s, fallback, callNumbers(nativeCalls))
	compat, ok2 := spans(s, fallback, callNumbers(compatCalls))
	if !ok || !ok2 {
		return nil
	}
	wide, narrow := bisect(native, true), bisect(compat, false)
	program := []unix.SockFilter{
		load(dataArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nativeArch, Jf: 2},
		load(dataNumber),
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 3},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: compatArch, Jt: 1},
		ret(unix.SECCOMP_RET_KILL_THREAD),
		{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(wide))},
	}
	program = append(append(program, wide...), load(dataNumber))
	program = append(program, narrow...)
	if len(program) > unix.BPF_MAXINSNS {
		return nil
	}
	var out bytes.Buffer
	_ = binary.Write(&out, binary.NativeEndian, program) // a Buffer takes everything
	return out.Bytes()
}

// useFilter hands crun the compiled filter, if there is one. linux.seccomp
// stays, for what does not know the annotation, and for its flags.
func useFilter(config *rspec.Spec, filter []byte) {
	if filter == nil {
		return
	}
	config.Annotations[filterAnnotation] = base64.StdEncoding.EncodeToString(filter)
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func ret(value uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
}

// returnValue is an action as the kernel reads it.
func returnValue(action rspec.LinuxSeccompAction, errno *uint) (uint32, bool) {
	switch action {
	case rspec.ActAllow:
		return unix.SECCOMP_RET_ALLOW, true
	case rspec.ActErrno:
		number := uint(unix.EPERM)
		if errno != nil {
			number = *errno
		}
		return unix.SECCOMP_RET_ERRNO | uint32(number)&unix.SECCOMP_RET_DATA, true
	}
	return 0, false
}

// callNumbers reads a table. Made when wanted: a map of the package's would be
// built at every start of every command.
func callNumbers(table string) map[string]uint32 {
	numbers := make(map[string]uint32, 512)
	for line := range strings.Lines(table) {
		name, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, _ := strconv.ParseUint(number, 10, 32) // generated
		numbers[name] = uint32(n)
	}
	return numbers
}

// spans gives every number a verdict, neighbours with the same one together.
func spans(s *rspec.LinuxSeccomp, fallback uint32, number map[string]uint32) ([]span, bool) {
	verdicts := make(map[uint32]verdict, 512)
	for _, rule := range s.Syscalls {
		action, ok := returnValue(rule.Action, rule.ErrnoRet)
		if !ok || !expressible(rule.Args) {
			return nil, false
		}
		for _, name := range rule.Names {
			n, exists := number[name]
			if !exists {
				continue
			}
			v, have := verdicts[n]
			switch {
			case have && v.plain() && len(rule.Args) == 0 && v.action == action: // said twice
			case have && (v.plain() || len(rule.Args) == 0):
				return nil, false // which of the two holds is not ours to say
			case len(rule.Args) == 0:
				v = verdict{action: action}
			default:
				v = verdict{append(v.conditional, rule), fallback}
			}
			verdicts[n] = v
		}
	}
	return joinSpans(verdicts, fallback), true
}

func joinSpans(verdicts map[uint32]verdict, fallback uint32) []span {
	numbers := make([]uint32, 0, len(verdicts))
	for n := range verdicts {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	list := []span{{0, verdict{action: fallback}}}
	add := func(first uint32, v verdict) {
		last := &list[len(list)-1]
		switch {
		case last.plain() && v.plain() && last.action == v.action:
		case last.first == first:
			last.verdict = v
		default:
			list = append(list, span{first, v})
		}
	}
	for _, n := range numbers {
		add(n, verdicts[n])
		if _, next := verdicts[n+1]; !next {
			add(n+1, verdict{action: fallback})
		}
	}
	return list
}

// bisect is the program that, with the call's number loaded, finds its span.
// Arguments are 64 bits wide where wide is set, else only their lower half
// counts.
func bisect(list []span, wide bool) []unix.SockFilter {
	if len(list) == 1 {
		return list[0].program(wide)
	}
	middle := len(list) / 2
	below, above := bisect(list[:middle], wide), bisect(list[middle:], wide)
	split := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: list[middle].first}
	if len(below) > 255 { // conditional jumps reach no further
		split.Jf = 1
		far := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(below))}
		return append(append([]unix.SockFilter{split, far}, below...), above...)
	}
	split.Jt = uint8(len(below))
	return append(append([]unix.SockFilter{split}, below...), above...)
}

func (v verdict) program(wide bool) []unix.SockFilter {
	var program []unix.SockFilter
	for _, rule := range v.conditional {
		action, _ := returnValue(rule.Action, rule.ErrnoRet)
		program = append(program, condition(rule.Args, action, wide)...)
	}
	return append(program, ret(v.action))
}

// condition returns action if all the comparisons hold, and else runs on past
// its end.
func condition(args []rspec.LinuxSeccompArg, action uint32, wide bool) []unix.SockFilter {
	program := []unix.SockFilter{ret(action)}
	for _, a := range slices.Backward(args) {
		program = append(comparison(a, uint8(len(program)), wide), program...)
	}
	return program
}

// step is one instruction of a comparison and where it leads.
type step struct {
	unix.SockFilter
	yes, no target
}

type target int

const (
	next target = iota // the instruction after it
	hold               // the comparison holds: what comes after the comparison
	fail               // it does not: past the end of the whole rule
)

// expressible tells whether comparison knows all the operators of a rule.
func expressible(args []rspec.LinuxSeccompArg) bool {
	return !slices.ContainsFunc(args, func(a rspec.LinuxSeccompArg) bool {
		return a.Index > 5 || a.Op != rspec.OpEqualTo && a.Op != rspec.OpGreaterThan && a.Op != rspec.OpLessThan
	})
}

// comparison continues behind itself where it holds, and skip instructions
// further on where it does not. The halves of an argument are compared one
// after the other: BPF knows 32 bits.
func comparison(a rspec.LinuxSeccompArg, skip uint8, wide bool) []unix.SockFilter {
	low := uint32(dataArgs + 8*a.Index) // little endian, as are all machines with a table
	var steps []step
	if wide {
		steps = append(steps, step{SockFilter: load(low + 4)})
		steps = append(steps, highHalf(a.Op, uint32(a.Value>>32))...)
	}
	steps = append(steps, step{SockFilter: load(low)}, lowHalf(a.Op, uint32(a.Value)))
	program := make([]unix.SockFilter, len(steps))
	for i, s := range steps {
		s.Jt, s.Jf = distance(s.yes, i, len(steps), skip), distance(s.no, i, len(steps), skip)
		program[i] = s.SockFilter
	}
	return program
}

func distance(to target, at, length int, skip uint8) uint8 {
	switch to {
	case hold:
		return uint8(length - at - 1)
	case fail:
		return uint8(length-at-1) + skip
	}
	return 0
}

func jump(test uint16, k uint32, yes, no target) step {
	return step{unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, K: k}, yes, no}
}

// highHalf decides where the upper halves differ, and else leads on to the lower.
func highHalf(op rspec.LinuxSeccompOperator, value uint32) []step {
	equal := jump(unix.BPF_JEQ, value, next, fail)
	switch op {
	case rspec.OpGreaterThan:
		return []step{jump(unix.BPF_JGT, value, hold, next), equal}
	case rspec.OpLessThan:
		return []step{jump(unix.BPF_JGE, value, next, hold), equal}
	}
	return []step{equal}
}

func lowHalf(op rspec.LinuxSeccompOperator, value uint32) step {
	switch op {
	case rspec.OpGreaterThan:
		return jump(unix.BPF_JGT, value, hold, fail)
	case rspec.OpLessThan:
		return jump(unix.BPF_JGE, value, fail, hold)
	}
	return jump(unix.BPF_JEQ, value, hold, fail)
}
