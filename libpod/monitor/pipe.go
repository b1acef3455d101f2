package monitor

import "golang.org/x/sys/unix"

// Pipe is pipe2(2), and with a label one that has this SELinux label, by which
// a container's processes may use it. The kernel gives a pipe the label of who
// made it, with categories that no container has, and policies do not let
// anybody change that. So it is a FIFO, which is labelled as a file is; its
// path is in a directory of ours, and is gone when this returns.
func Pipe(path, label string, flags int) (r, w int, err error) {
	if label != "" {
		r, w, err = fifo(path, label, flags)
		// Who may not label files is left to what the policy says of pipes.
		if err != unix.EACCES && err != unix.EPERM {
			return r, w, err
		}
	}
	var p [2]int
	err = unix.Pipe2(p[:], flags)
	return p[0], p[1], err
}

func fifo(path, label string, flags int) (r, w int, err error) {
	_ = unix.Unlink(path) // of somebody who was killed
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return -1, -1, err
	}
	defer unix.Unlink(path)
	if err := unix.Setxattr(path, "security.selinux", append([]byte(label), 0), 0); err != nil {
		return -1, -1, err
	}
	// A reader that waits for nobody comes first.
	if r, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|flags, 0); err != nil {
		return -1, -1, err
	}
	if w, err = unix.Open(path, unix.O_WRONLY|flags, 0); err == nil {
		err = unix.SetNonblock(r, flags&unix.O_NONBLOCK != 0)
	}
	if err != nil {
		unix.Close(r)
		return -1, -1, err
	}
	return r, w, nil
}

// pipeFile is the name, in the run directory, of a FIFO that is being made.
const pipeFile = "pipe"

func (s *supervisor) pipe(flags int) (r, w int, err error) {
	r, w, err = Pipe(s.cfg.RunDir+"/"+pipeFile, s.cfg.PipeLabel, unix.O_CLOEXEC|flags)
	if err != nil {
		err = wrap("cannot make a pipe", err)
	}
	return r, w, err
}
