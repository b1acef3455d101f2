package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Identity is a user who shall have a name in the container: one given by
// number, or the caller under keep-id.
type Identity struct {
	UID, GID uint32
	User     string // "" the uid as a number
	Group    string // "" the gid as a number
	FullName string // "" "container user"
	Home     string // "" "/"
	// PasswdEntry and GroupEntry are lines to use instead, with $USERNAME,
	// $UID, $GID, $NAME, $HOME and $GROUPNAME, $GID, $USERLIST replaced.
	PasswdEntry, GroupEntry string
}

// PasswdLine is the line of /etc/passwd, with its newline. The account has no
// password and cannot be logged into.
func (id Identity) PasswdLine() string {
	uid, gid := decimal(id.UID), decimal(id.GID)
	name, full, home := orElse(id.User, uid), orElse(id.FullName, "container user"), orElse(id.Home, "/")
	if id.PasswdEntry != "" {
		return ended(strings.NewReplacer("$USERNAME", name, "$UID", uid, "$GID", gid, "$NAME", full, "$HOME", home).Replace(id.PasswdEntry))
	}
	return fmt.Sprintf("%s:*:%s:%s:%s:%s:/bin/sh\n", name, uid, gid, full, home)
}

// GroupLine is the line of /etc/group, with its newline.
func (id Identity) GroupLine() string {
	gid := decimal(id.GID)
	name, users := orElse(id.Group, gid), orElse(id.User, decimal(id.UID))
	if id.GroupEntry != "" {
		return ended(strings.NewReplacer("$GROUPNAME", name, "$GID", gid, "$USERLIST", users).Replace(id.GroupEntry))
	}
	return fmt.Sprintf("%s:x:%s:%s\n", name, gid, users)
}

// Passwd returns the container's /etc/passwd with id in it, and whether it
// differs from what is there: a uid that is known keeps its line, unless
// another was asked for, and what is no file stays as it is.
func Passwd(root string, id Identity) (string, bool, error) {
	have, ok, err := changeable(root, "/etc/passwd")
	if err != nil || !ok {
		return "", false, err
	}
	name, err := userName(have, int(id.UID))
	if err != nil || name != "" && id.PasswdEntry == "" {
		return "", false, err
	}
	return withLine(string(have), id.PasswdLine(), 2, decimal(id.UID)), true, nil
}

// Group does the same for /etc/group.
func Group(root string, id Identity) (string, bool, error) {
	have, ok, err := changeable(root, "/etc/group")
	if err != nil || !ok {
		return "", false, err
	}
	name, err := groupName(have, int(id.GID))
	if err != nil || name != "" && id.GroupEntry == "" {
		return "", false, err
	}
	return withLine(string(have), id.GroupLine(), 2, decimal(id.GID)), true, nil
}

// changeable is readDatabase, and not ok where a line can neither be added to
// what is there nor be bound over it: a directory, say.
func changeable(root, name string) (body []byte, ok bool, err error) {
	body, err = ReadFile(root, name)
	if errors.Is(err, errIrregular) {
		return nil, false, nil
	}
	if err != nil {
		body, err = readDatabase(root, name)
	}
	return body, err == nil, err
}

// WriteIdentity puts id into /etc/passwd and /etc/group of a root file system
// that can be written to. Done in place, unlike with files bound over them,
// programs inside can add users of their own. Where the files may not be
// written (a read-only mount), written is false.
func WriteIdentity(root string, id Identity) (written bool, err error) {
	for _, file := range []struct {
		name string
		make func(string, Identity) (string, bool, error)
	}{{"/etc/passwd", Passwd}, {"/etc/group", Group}} {
		body, changed, err := file.make(root, id)
		if err != nil {
			return false, err
		}
		if !changed {
			continue
		}
		err = overwrite(root, file.name, body)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cannot add the user to %s of the container: %w", file.name, err)
		}
	}
	return true, nil
}

// overwrite replaces the content of a file in place. Appending is the usual
// case, so that a crash in between leaves the old lines readable.
func overwrite(root, name, body string) error {
	if err := ensureFile(root, name); err != nil {
		return err
	}
	f, err := openFile(root, name, unix.O_RDWR)
	if err != nil {
		return err
	}
	have, err := io.ReadAll(io.LimitReader(f, maxFile))
	at := 0
	for at < len(have) && at < len(body) && have[at] == body[at] {
		at++
	}
	if err == nil {
		_, err = f.WriteAt([]byte(body[at:]), int64(at))
	}
	if err == nil {
		err = f.Truncate(int64(len(body)))
	}
	return errors.Join(err, f.Close())
}

// withLine appends line, and drops the lines whose field number key (from 0)
// is value, which it replaces.
func withLine(body, line string, key int, value string) string {
	var b strings.Builder
	for have := range strings.Lines(body) {
		fields := strings.Split(strings.TrimSpace(have), ":")
		if len(fields) > key && fields[key] == value {
			continue
		}
		b.WriteString(ended(have))
	}
	b.WriteString(line)
	return b.String()
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func ended(line string) string { return strings.TrimRight(line, "\n") + "\n" }
