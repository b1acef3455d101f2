package rootfs

import (
	"errors"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLeadsOut is a path of the host that leaves the directory it should be in.
var ErrLeadsOut = errors.New("a link leads out of it")

// OpenPath opens (O_PATH) name below root, whatever it is. The file's Name is
// its path there.
func OpenPath(root, name string) (*os.File, error) {
	top, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	return openIn(top, name, unix.O_PATH, 0)
}

// OpenBelow opens (O_PATH) name below a directory of the host. Links mean
// what they mean on the host, but none may lead out of the directory; one that
// is put there meanwhile is held against the directory as its root.
func OpenBelow(dir, name string) (*os.File, error) {
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	found, err := filepath.EvalSymlinks(filepath.Join(top, name))
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(top, found)
	if err == nil && !filepath.IsLocal(rel) {
		err = &os.PathError{Op: "open", Path: name, Err: ErrLeadsOut}
	}
	if err != nil {
		return nil, err
	}
	return OpenPath(top, rel)
}

// MakeDir makes the directory name below root. Only it gets the mode and the
// owner; what is missing above is the caller's.
func MakeDir(root, name string, mode uint32, owner Owner) error {
	name = path.Clean("/" + name)
	above, err := mkdirAll(root, path.Dir(name), 0o755, Owner{os.Getuid(), os.Getgid()})
	if err != nil {
		return err
	}
	defer above.Close()
	made, err := makeAndOpen(above, path.Base(name), mode, owner)
	if err != nil {
		return err
	}
	return made.Close()
}
