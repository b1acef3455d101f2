// Command carob-probe asks a server in a container whether it is well, from
// inside the container's network namespace. carob-monitor starts it for each
// probe that connects, so that it need not link what speaks HTTP and gRPC:
//
//	carob-probe PID TIMEOUT http URL [HEADER: VALUE ...]
//	carob-probe PID TIMEOUT tcp HOST:PORT
//	carob-probe PID TIMEOUT grpc HOST:PORT [SERVICE]
//
// It prints what it found, and ends with 0 if that is well, otherwise with 1.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/probe"
)

func main() {
	runtime.LockOSThread() // a thread enters a namespace, not a program
	found, err := run(os.Args)
	if err != nil {
		found = err.Error()
	}
	fmt.Println(found)
	if err != nil {
		os.Exit(1)
	}
}

func run(args []string) (string, error) {
	if len(args) < 5 {
		return "", fmt.Errorf("carob-probe is started by carob-monitor, as: carob-probe PID TIMEOUT KIND WORDS")
	}
	pid, err := strconv.Atoi(args[1])
	if err != nil {
		return "", fmt.Errorf("%q is not a process id", args[1])
	}
	timeout, err := time.ParseDuration(args[2])
	if err != nil {
		return "", err
	}
	if pid != 0 {
		if err := enter(pid); err != nil {
			return "", fmt.Errorf("cannot enter the container's network namespace: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch rest := args[4:]; args[3] {
	case "http":
		return probe.HTTP(ctx, rest[0], rest[1:])
	case "tcp":
		return probe.TCP(ctx, rest[0])
	case "grpc":
		service := ""
		if len(rest) > 1 {
			service = rest[1]
		}
		return probe.GRPC(ctx, rest[0], service)
	}
	return "", fmt.Errorf("%q is no kind of probe", args[3])
}

// enter makes this program anew in the network namespace of process pid,
// unless it is there already: all threads of the new one are in there.
func enter(pid int) error {
	path := "/proc/" + strconv.Itoa(pid) + "/ns/net"
	var theirs, ours unix.Stat_t
	if err := unix.Stat(path, &theirs); err != nil {
		return err
	}
	if err := unix.Stat("/proc/thread-self/ns/net", &ours); err != nil {
		return err
	}
	if theirs.Ino == ours.Ino && theirs.Dev == ours.Dev {
		return nil
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return err
	}
	args := append([]string{os.Args[0], "0"}, os.Args[2:]...)
	return syscall.Exec("/proc/self/exe", args, os.Environ())
}
