package monitor

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// readFile reads a small file. os.ReadFile would bring the runtime's own
// poller to life, with memory we do without.
func readFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, wrap(path, err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := read(fd, buf[len(buf):cap(buf)])
		if err != nil {
			return nil, wrap(path, err)
		}
		if n == 0 {
			return buf, nil
		}
		buf = buf[:len(buf)+n]
	}
}

// writeFile makes or replaces a small file's content.
func writeFile(path string, content []byte, mode uint32) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, mode)
	if err != nil {
		return wrap(path, err)
	}
	_, err = unix.Write(fd, content)
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err != nil {
		return wrap(path, err)
	}
	return nil
}

func read(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func write(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Write(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// mkdirAll makes dir and what is missing above it, mode 0700.
func mkdirAll(dir string) error {
	err := unix.Mkdir(dir, 0o700)
	if err == unix.ENOENT {
		for i := len(dir) - 1; i > 0; i-- {
			if dir[i] == '/' {
				if err := mkdirAll(dir[:i]); err != nil {
					return err
				}
				break
			}
		}
		err = unix.Mkdir(dir, 0o700)
	}
	if err == nil || err == unix.EEXIST {
		return nil
	}
	return wrap("cannot make "+dir, err)
}

// maxSunPath is the longest path of a Unix socket: sun_path of unix(7), less
// its final NUL.
const maxSunPath = 107

// shortPath names dir/name in a way that fits into a socket address; other
// processes may use the name as well until done is called.
func shortPath(dir, name string) (path string, done func()) {
	path = dir + "/" + name
	if len(path) <= maxSunPath {
		return path, func() {}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return path, func() {}
	}
	short := "/proc/" + strconv.Itoa(unix.Getpid()) + "/fd/" + strconv.Itoa(fd) + "/" + name
	return short, func() { unix.Close(fd) }
}
