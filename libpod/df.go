package libpod

import (
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// diskUsage is what the files below path take on disk, in bytes; files with
// several names count once. What cannot be read counts for nothing.
func diskUsage(path string) int64 {
	type file struct{ dev, ino uint64 }
	seen := map[file]bool{}
	var total int64
	_ = filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err != nil || unix.Lstat(p, &st) != nil {
			return nil
		}
		f := file{st.Dev, st.Ino}
		if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1 && seen[f] {
			return nil
		}
		seen[f] = st.Nlink > 1
		total += st.Size
		return nil
	})
	return total
}

// Size is what is in the volume, in bytes. What is mounted in it only for
// running containers is measured when it is mounted.
func (v *Volume) Size() int64 { return diskUsage(v.Mountpoint()) }
