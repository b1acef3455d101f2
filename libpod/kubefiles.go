package libpod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/filetree"
)

// makePodVolumes makes the volumes that live as long as their pod, and returns
// their real names. Those in memory are the infra container's, too: that keeps
// them mounted from its start to its end, whatever its members do.
func (p *play) makePodVolumes(ctx context.Context, from *kube.Pod) (map[string]string, error) {
	names := map[string]string{}
	for i := range from.Volumes {
		v := &from.Volumes[i]
		made := &spec.Volume{Name: newID(), Anonymous: true, Files: v.Record(), Labels: map[string]string{labelPlay: p.log.id, "io.kubernetes.pod.name": from.Spec.Name}}
		if v.Memory {
			made.Options = memoryOptions(v, from)
			from.Infra.Mounts.List = append(from.Infra.Mounts.List, spec.Mount{
				Type: spec.MountVolume, Source: made.Name, Destination: "/volumes/" + v.Name, Anonymous: true, NoCopy: true,
			})
		}
		if _, err := p.makeVolume(ctx, made); err != nil {
			return nil, err
		}
		names[v.Name] = made.Name
	}
	return names, nil
}

func memoryOptions(v *kube.PodVolume, from *kube.Pod) map[string]string {
	o := fmt.Sprintf("mode=%o", 0o1000|v.Mode)
	if from.FSGroup != nil && (from.Infra.Isolation.User == "" || from.Infra.Isolation.User == "host") {
		o = fmt.Sprintf("mode=%o,gid=%d", unix.S_ISGID|v.Mode, *from.FSGroup)
	}
	if v.Size > 0 {
		o += fmt.Sprintf(",size=%d", v.Size)
	}
	return map[string]string{"type": "tmpfs", "device": "tmpfs", "o": o}
}

// fillPodVolumes writes what is in them, for the users of the pod.
func (p *play) fillPodVolumes(ctx context.Context, pod *Pod, from *kube.Pod, names map[string]string) error {
	infra, err := p.rt.Container(ctx, pod.Infra)
	if err != nil {
		return err
	}
	group := uint32(0)
	if from.FSGroup != nil {
		group = *from.FSGroup
	}
	owner := infra.outside(0, group)
	for i := range from.Volumes {
		v := &from.Volumes[i]
		if v.Memory {
			continue
		}
		mode := fs.FileMode(v.Mode)
		if from.FSGroup != nil {
			mode |= fs.ModeSetgid | 0o070
		}
		w := &filler{dir: p.rt.VolumeData(names[v.Name]), uid: owner.UID, gid: owner.GID, grouped: from.FSGroup != nil}
		if err := p.fill(ctx, w, v, mode); err != nil {
			return fmt.Errorf("cannot fill volume %s of pod %s: %w", v.Name, pod.Name, err)
		}
	}
	return nil
}

// fill writes a volume's files. Nobody sees them half written: no container
// has the volume yet, and a play that is killed here is undone.
func (p *play) fill(ctx context.Context, w *filler, v *kube.PodVolume, mode fs.FileMode) error {
	for _, f := range v.Files {
		if err := w.write(f.Path, f.Data, fs.FileMode(f.Mode)); err != nil {
			return err
		}
	}
	for _, part := range v.Secrets {
		data, err := p.secretData(ctx, part.Secret)
		if err != nil {
			return err
		}
		for _, item := range part.Items {
			value, ok := data[item.Key]
			if !ok && part.Optional {
				continue
			}
			if !ok {
				return fmt.Errorf("secret %s has no key %s", part.Secret, item.Key)
			}
			if err := w.write(item.Path, value, fs.FileMode(item.Mode)); err != nil {
				return err
			}
		}
	}
	if err := os.Chown(w.dir, w.uid, w.gid); err != nil {
		return err
	}
	if err := os.Chmod(w.dir, mode); err != nil {
		return err
	}
	return touch(filepath.Join(filepath.Dir(w.dir), ownedMark)) // it has its owner
}

// filler writes files for a user and group of the pod.
type filler struct {
	dir      string
	uid, gid int
	grouped  bool // fsGroup may read them, too
}

func (w *filler) write(name string, data []byte, mode fs.FileMode) error {
	for at := filepath.Dir(name); at != "."; at = filepath.Dir(at) {
		defer os.Chown(filepath.Join(w.dir, at), w.uid, w.gid) // directories that are made below
	}
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	if err := os.Chown(path, w.uid, w.gid); err != nil {
		return err
	}
	if w.grouped {
		mode |= 0o440
	}
	return os.Chmod(path, mode)
}

// groupPodClaims gives the pod's fsGroup what its claims hold, unless they have
// that group already.
func (p *play) groupPodClaims(ctx context.Context, pod *Pod, from *kube.Pod) error {
	if from.FSGroup == nil {
		return nil
	}
	infra, err := p.rt.Container(ctx, pod.Infra)
	if err != nil {
		return err
	}
	gid := infra.outside(0, *from.FSGroup).GID
	for _, name := range from.Claims {
		v, err := p.rt.db.Volume(ctx, name)
		if err != nil || mounted(v) {
			continue // no container mounts it, or it has an owner of its own
		}
		if err := p.noteGroup(name, gid); err != nil {
			return err
		}
		if err := groupTree(p.rt.VolumeData(name), gid); err != nil {
			return fmt.Errorf("cannot give volume %s to group %d: %w", name, *from.FSGroup, err)
		}
		if err := touch(filepath.Join(filepath.Dir(p.rt.VolumeData(name)), ownedMark)); err != nil {
			return err
		}
	}
	return nil
}

// groupTree gives all below dir to a group. Containers may change it meanwhile:
// every file is changed by its handle.
func groupTree(dir string, gid int) error {
	return withPath(dir, func(t *filetree.Tree) error {
		var st unix.Stat_t
		if err := unix.Fstat(int(t.Root().Fd()), &st); err != nil || int(st.Gid) == gid && st.Mode&unix.S_ISGID != 0 {
			return err
		}
		err := t.Walk(func(h *os.File, st *unix.Stat_t) error { return groupOne(h, st, gid) })
		if err != nil {
			return err
		}
		return groupOne(t.Root(), &st, gid) // last of all: it tells that all below is done
	})
}

func groupOne(h *os.File, st *unix.Stat_t, gid int) error {
	kind := st.Mode & unix.S_IFMT
	if err := filetree.Chown(h, -1, gid); err != nil || kind == unix.S_IFLNK {
		return err
	}
	mode := st.Mode&0o777 | 0o060
	if kind == unix.S_IFDIR {
		mode |= unix.S_ISGID | 0o010
	}
	return filetree.Chmod(h, mode)
}

// makeHostPaths makes, or checks, what of the host is mounted.
func (p *play) makeHostPaths(from *kube.Pod) error {
	for _, h := range from.HostPaths {
		if err := p.makeHostPath(h); err != nil {
			return fmt.Errorf("cannot use %s: %w", h.Where, err)
		}
	}
	return nil
}

func (p *play) makeHostPath(h kube.HostPath) error {
	missing, err := checkHostPath(h)
	switch {
	case err != nil || !missing:
		return err
	case h.Type == "FileOrCreate":
		return p.makeFile(h.Path)
	}
	return p.makeDirs(h.Path)
}

// checkHostPath refuses a path that is not what the file says, or is missing
// and not to be made.
func checkHostPath(h kube.HostPath) (missing bool, err error) {
	st, err := os.Stat(h.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if !slices.Contains([]string{"DirectoryOrCreate", "FileOrCreate"}, h.Type) {
			return true, fmt.Errorf("%s does not exist", h.Path)
		}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	switch h.Type {
	case "Directory", "DirectoryOrCreate":
		return false, wantType(h.Path, "directory", st.IsDir())
	case "File", "FileOrCreate":
		return false, wantType(h.Path, "file", st.Mode().IsRegular())
	case "Socket":
		return false, wantType(h.Path, "socket", st.Mode()&fs.ModeSocket != 0)
	case "CharDevice":
		return false, wantType(h.Path, "character device", st.Mode()&fs.ModeCharDevice != 0)
	case "BlockDevice":
		return false, wantType(h.Path, "block device", st.Mode()&fs.ModeDevice != 0 && st.Mode()&fs.ModeCharDevice == 0)
	}
	return false, nil
}

func wantType(path, what string, is bool) error {
	if is {
		return nil
	}
	return fmt.Errorf("%s is no %s", path, what)
}

// makeDirs is MkdirAll that notes each directory in the journal.
func (p *play) makeDirs(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := p.makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	if err := p.log.announce(made{Kind: makesDir, Name: path}); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return p.log.retract()
	}
	return err
}

func (p *play) makeFile(path string) error {
	if err := p.log.announce(made{Kind: makesFile, Name: path}); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return p.log.retract()
	}
	if err != nil {
		return errors.Join(err, p.log.retract())
	}
	return f.Close()
}
