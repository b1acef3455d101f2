package libpod

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// groupBefore is what fsGroup changes of a volume that is there already.
type groupBefore struct {
	GID  int    `json:"gid"`
	Mode uint32 `json:"mode"` // of the directory that holds all
	// Owned: it had its first owner.
	Owned bool `json:"owned,omitempty"`
}

// groupClaims gives the pods' claims to their fsGroup. By now those who used
// them and are replaced have stopped.
func (p *play) groupClaims(ctx context.Context) error {
	for i, made := range p.out.Pods {
		if err := p.groupPodClaims(ctx, made.Pod, &p.plan.Pods[i]); err != nil {
			return err
		}
	}
	return nil
}

// noteGroup writes down to whom a volume belongs, unless groupTree will leave
// it as it is.
func (p *play) noteGroup(volume string, gid int) error {
	before, err := p.rt.groupOf(volume)
	if err != nil || before.GID == gid && before.Mode&unix.S_ISGID != 0 {
		return err
	}
	return p.log.announce(made{Kind: makesGroup, Name: volume, Group: before})
}

func (rt *Runtime) groupOf(volume string) (*groupBefore, error) {
	data := rt.VolumeData(volume)
	var st unix.Stat_t
	if err := unix.Lstat(data, &st); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: data, Err: err}
	}
	_, err := os.Lstat(filepath.Join(filepath.Dir(data), ownedMark))
	return &groupBefore{GID: int(st.Gid), Mode: st.Mode & 0o7777, Owned: err == nil}, nil
}

// giveGroupBack gives a volume back to the group that had it. What a group may
// do to its files stays as it is: nobody loses anything by that.
func (rt *Runtime) giveGroupBack(m made) error {
	data := rt.VolumeData(m.Name)
	if _, err := os.Lstat(data); err != nil {
		return ignoreMissing(err)
	}
	// Without this bit it does not count as done, should only a part have changed.
	err := os.Chmod(data, fs.FileMode(m.Group.Mode&0o777))
	if err == nil {
		err = groupTree(data, m.Group.GID)
	}
	if err == nil {
		err = unix.Chmod(data, m.Group.Mode)
	}
	if err == nil && !m.Group.Owned {
		err = ignoreMissing(os.Remove(filepath.Join(filepath.Dir(data), ownedMark)))
	}
	return err
}
