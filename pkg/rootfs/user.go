package rootfs

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// User is a user of the container.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary, from /etc/group; not the primary one
	Name     string   // "" if /etc/passwd does not know the uid
	Home     string   // "/" if it does not
}

// Known tells whether /etc/passwd has the user.
func (u User) Known() bool { return u.Name != "" }

// Lookup finds the user that --user or an image's USER means: NAME, UID,
// NAME:GROUP, UID:GID or a mixture; "" is root. A number need not be in
// /etc/passwd, a name must. Supplementary groups count only when no group was
// named. Formats: passwd(5), group(5).
func Lookup(root, asked string) (User, error) {
	passwd, err := readDatabase(root, "/etc/passwd")
	if err != nil {
		return User{}, err
	}
	group, err := readDatabase(root, "/etc/group")
	if err != nil {
		return User{}, err
	}
	found, err := user.GetExecUser(asked, &user.ExecUser{Home: "/"}, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return User{}, err
	}
	u := User{UID: uint32(found.Uid), GID: uint32(found.Gid), Home: found.Home}
	if u.Home == "" {
		u.Home = "/"
	}
	if asked != "" && !strings.Contains(asked, ":") {
		for _, gid := range found.Sgids {
			u.Groups = append(u.Groups, uint32(gid))
		}
	}
	u.Name, err = userName(passwd, found.Uid)
	return u, err
}

// LookupGroup finds the group that --group-add means: a name or a number.
func LookupGroup(root, asked string) (uint32, error) {
	group, err := readDatabase(root, "/etc/group")
	if err != nil {
		return 0, err
	}
	gids, err := user.GetAdditionalGroups([]string{asked}, bytes.NewReader(group))
	if err != nil {
		return 0, err
	}
	return uint32(gids[0]), nil
}

// readDatabase reads a file that may be missing, as in images made from
// scratch. A link that leads nowhere counts as missing, also one to itself,
// and so does what is no file: it must not keep root from entering the
// container.
func readDatabase(root, name string) ([]byte, error) {
	body, err := ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, errIrregular) {
		return nil, nil
	}
	return body, err
}

func userName(passwd []byte, uid int) (string, error) {
	users, err := user.ParsePasswdFilter(bytes.NewReader(passwd), func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(users) == 0 {
		return "", err
	}
	return users[0].Name, nil
}

func groupName(group []byte, gid int) (string, error) {
	groups, err := user.ParseGroupFilter(bytes.NewReader(group), func(g user.Group) bool { return g.Gid == gid })
	if err != nil || len(groups) == 0 {
		return "", err
	}
	return groups[0].Name, nil
}
