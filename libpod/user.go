package libpod

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/pkg/rootfs"
	"github.com/carob-containers/carob/pkg/userns"
)

// cannotRun is the exit code for a container that is there but whose process
// cannot be run as asked.
const cannotRun = 126

// lookupUser finds who the process is: --user or the image's USER.
func (l *launcher) lookupUser(context.Context) error {
	asked := l.c.Process.User
	if asked == "" && l.in.Image != nil {
		asked = l.in.Image.User
	}
	u, err := rootfs.Lookup(l.rootfs, asked)
	if err != nil {
		return &client.Failed{Code: cannotRun, Text: err.Error()}
	}
	l.in.User = bundle.User{UID: u.UID, GID: u.GID, Groups: u.Groups, Name: u.Name, Home: u.Home}
	if !u.Known() {
		l.in.User.Home = l.newHome()
	}
	return l.addGroups()
}

// isCaller tells whether the process is the caller, kept by keep-id.
func (l *launcher) isCaller() bool {
	mode, _, _ := strings.Cut(l.c.Isolation.User, ":")
	me := l.c.outside(l.in.User.UID, l.in.User.GID)
	return mode == "keep-id" && me == rootfs.Owner{} // the caller is root where carob is
}

// newHome is the home of a user whom the image does not know: the working
// directory, or the caller's own home where that, or what it lies in, is
// mounted into the container.
func (l *launcher) newHome() string {
	if l.isCaller() {
		me, err := user.LookupId(strconv.Itoa(userns.RealUID()))
		if err == nil && slices.ContainsFunc(l.mountDestinations(), func(at string) bool { return under(me.HomeDir, at) }) {
			return me.HomeDir
		}
	}
	return bundle.WorkDir(l.c.Container, l.in.Image)
}

func (l *launcher) mountDestinations() []string {
	var at []string
	for _, m := range l.c.Mounts.List {
		at = append(at, m.Destination)
	}
	return at
}

// under tells whether name is dir or lies below it.
func under(name, dir string) bool {
	name, dir = path.Clean("/"+name), path.Clean("/"+dir)
	return name == dir || dir == "/" || strings.HasPrefix(name, dir+"/")
}

// identities are the users that shall have a line in /etc/passwd: the
// process's own when the image does not know it, and those of --hostuser.
func (l *launcher) identities() ([]rootfs.Identity, error) {
	if l.c.Process.NoPasswd {
		return nil, nil
	}
	ids := []rootfs.Identity{{
		UID: l.in.User.UID, GID: l.in.User.GID, Home: l.in.User.Home,
		PasswdEntry: l.c.Process.PasswdEntry, GroupEntry: l.c.Process.GroupEntry,
	}}
	if l.isCaller() {
		nameAfterCaller(&ids[0])
	}
	for _, word := range l.c.Process.HostUsers {
		id, err := hostUser(word)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// nameAfterCaller gives the kept user the name it has outside. A caller
// without an entry of its own stays a number.
func nameAfterCaller(id *rootfs.Identity) {
	me, err := user.LookupId(strconv.Itoa(userns.RealUID()))
	if err != nil {
		return
	}
	id.User, id.FullName = me.Username, strings.TrimRight(me.Name, ",")
	if g, err := user.LookupGroupId(strconv.Itoa(userns.RealGID())); err == nil {
		id.Group = g.Name
	}
}

// hostUser is a user of the host, by name or id, who is added with the same
// ids inside.
func hostUser(word string) (rootfs.Identity, error) {
	u, err := user.Lookup(word)
	if err != nil {
		u, err = user.LookupId(word)
	}
	if err != nil {
		return rootfs.Identity{}, fmt.Errorf("cannot use --hostuser %s: the host has no such user", word)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return rootfs.Identity{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	id := rootfs.Identity{UID: uint32(uid), GID: uint32(gid), User: u.Username, FullName: u.Name, Home: u.HomeDir}
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		id.Group = g.Name
	}
	return id, err
}

// completeRootfs makes in the root file system what the process relies on:
// its user, its working directory, /etc/mtab.
func (l *launcher) completeRootfs(context.Context) error {
	ids, err := l.identities()
	if err != nil {
		return err
	}
	l.boundIDs = ids
	if !l.c.Mounts.ReadOnly {
		if l.boundIDs, err = l.writeIdentities(ids); err != nil {
			return err
		}
		if err := rootfs.EnsureMtab(l.rootfs); err != nil {
			return err
		}
	}
	return l.ensureWorkDir()
}

// writeIdentities returns those that could not be written and have to come in
// files bound over the container's own.
func (l *launcher) writeIdentities(ids []rootfs.Identity) ([]rootfs.Identity, error) {
	for i, id := range ids {
		written, err := rootfs.WriteIdentity(l.rootfs, id)
		if err != nil {
			return nil, err
		}
		if !written {
			return ids[i:], nil
		}
	}
	return nil, nil
}

func (l *launcher) ensureWorkDir() error {
	given := l.c.Process.WorkDir != ""
	dir := bundle.WorkDir(l.c.Container, l.in.Image)
	owner := l.c.outside(l.in.User.UID, l.in.User.GID)
	err := rootfs.EnsureWorkDir(l.rootfs, dir, !given, owner, l.mountDestinations())
	switch {
	case errors.Is(err, rootfs.ErrNoWorkDir):
		return &client.Failed{Code: cannotRun, Text: err.Error() + " " + l.c.Name}
	case errors.Is(err, syscall.ENOTDIR):
		return &client.Failed{Code: cannotRun, Text: err.Error()}
	}
	return err
}

func (l *launcher) passwdFile() (string, bool, error) {
	return boundFile(l.rootfs, l.boundIDs, rootfs.Passwd)
}

func (l *launcher) groupFile() (string, bool, error) {
	return boundFile(l.rootfs, l.boundIDs, rootfs.Group)
}

// boundFile is the container's own file with the first user in it; there is
// rarely a second.
func boundFile(root string, ids []rootfs.Identity, add func(string, rootfs.Identity) (string, bool, error)) (string, bool, error) {
	if len(ids) == 0 {
		return "", false, nil
	}
	return add(root, ids[0])
}

// refused gives what the kernel would refuse its exit code.
func refused(err error) error {
	var refusal *bundle.RefusedError
	var hint interface{ Hint() string }
	if !errors.As(err, &refusal) || !errors.As(err, &hint) {
		return err
	}
	return WithHint(&client.Failed{Code: cannotRun, Text: err.Error()}, hint.Hint())
}
