package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const testPasswd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/bin/false
www:x:33:33:www:/var/www:/bin/sh
nohome:x:44:44:::
`

const testGroup = `root:x:0:
daemon:x:1:www
www:x:33:
audio:x:29:www,other
video:x:44:
`

// newRoot is a small root file system beside a file it must never reach.
func newRoot(t *testing.T) string {
	t.Helper()
	outside := t.TempDir()
	root := filepath.Join(outside, "root")
	for name, body := range map[string]string{
		"passwd":           "evil:x:666:666::/:/bin/sh\n", // outside
		"root/etc/passwd":  testPasswd,
		"root/etc/group":   testGroup,
		"root/usr/bin/tac": "",
	} {
		file := filepath.Join(outside, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func link(t *testing.T, target, name string) {
	t.Helper()
	_ = os.RemoveAll(name)
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestCorner25Lookup(t *testing.T) {
	root := newRoot(t)
	for _, c := range []struct {
		asked string
		want  User
	}{
		{"", User{Name: "root", Home: "/root"}},
		{"root", User{Name: "root", Home: "/root"}},
		{"www", User{UID: 33, GID: 33, Groups: []uint32{1, 29}, Name: "www", Home: "/var/www"}},
		{"33", User{UID: 33, GID: 33, Groups: []uint32{1, 29}, Name: "www", Home: "/var/www"}},
		{"www:video", User{UID: 33, GID: 44, Name: "www", Home: "/var/www"}},
		{"www:7777", User{UID: 33, GID: 7777, Name: "www", Home: "/var/www"}},
		{"1234", User{UID: 1234, Home: "/"}},
		{"1234:29", User{UID: 1234, GID: 29, Home: "/"}},
		{"nohome", User{UID: 44, GID: 44, Name: "nohome", Home: "/"}},
	} {
		got, err := Lookup(root, c.asked)
		if err != nil {
			t.Errorf("%q: %v", c.asked, err)
			continue
		}
		slices.Sort(got.Groups)
		if got.UID != c.want.UID || got.GID != c.want.GID || got.Name != c.want.Name || got.Home != c.want.Home || !slices.Equal(got.Groups, c.want.Groups) {
			t.Errorf("%q: got %+v, want %+v", c.asked, got, c.want)
		}
	}
}

func TestCorner25LookupUnknown(t *testing.T) {
	root := newRoot(t)
	for asked, words := range map[string]string{
		"nosuch":        "unable to find user nosuch: no matching entries in passwd file",
		"root:nosuch":   "unable to find group nosuch: no matching entries in group file",
		"99999999999":   "",
		"-1":            "",
		"root:-1":       "",
		"root:99999999": "",
	} {
		_, err := Lookup(root, asked)
		if asked == "root:99999999" {
			if err != nil {
				t.Errorf("%q: %v", asked, err)
			}
			continue
		}
		if err == nil || words != "" && err.Error() != words {
			t.Errorf("%q: error %v, want %q", asked, err, words)
		}
	}
	if _, err := LookupGroup(root, "nosuch"); err == nil {
		t.Error("unknown group found")
	}
	if gid, err := LookupGroup(root, "audio"); err != nil || gid != 29 {
		t.Errorf("audio: %d, %v", gid, err)
	}
}

func TestCorner25LinksStayInside(t *testing.T) {
	root := newRoot(t)
	for _, target := range []string{"../../passwd", "/../../passwd", "../../../../../../../passwd"} {
		link(t, target, filepath.Join(root, "etc/passwd"))
		if _, err := Lookup(root, "evil"); err == nil {
			t.Errorf("link to %s led out of the root", target)
		}
	}
	// A link that is right inside the root works.
	if err := os.WriteFile(filepath.Join(root, "usr/passwd"), []byte(testPasswd), 0o644); err != nil {
		t.Fatal(err)
	}
	link(t, "/usr/passwd", filepath.Join(root, "etc/passwd"))
	if u, err := Lookup(root, "www"); err != nil || u.UID != 33 {
		t.Errorf("absolute link inside the root: %+v, %v", u, err)
	}
}

func TestHostileFiles(t *testing.T) {
	root := newRoot(t)
	passwd := filepath.Join(root, "etc/passwd")
	_ = os.Remove(passwd)
	for name, mode := range map[string]uint32{"pipe": unix.S_IFIFO, "directory": unix.S_IFDIR, "socket": unix.S_IFSOCK} {
		_ = os.Remove(passwd)
		err := os.Mkdir(passwd, 0o755)
		if mode != unix.S_IFDIR {
			_ = os.Remove(passwd)
			err = unix.Mknod(passwd, mode|0o644, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Lookup(root, "www"); err == nil {
			t.Errorf("%s as passwd: a user was found in it", name)
		}
		if u, err := Lookup(root, ""); err != nil || u.UID != 0 {
			t.Errorf("%s as passwd keeps root out: %+v, %v", name, u, err)
		}
		if written, err := WriteIdentity(root, Identity{UID: 4711, GID: 4711}); err != nil || !written {
			t.Errorf("%s as passwd: %v, %v", name, written, err)
		}
	}
	_ = os.Remove(passwd)
	if err := os.WriteFile(passwd, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(passwd, maxFile+10); err != nil {
		t.Fatal(err)
	}
	if _, err := Lookup(root, "www"); err == nil {
		t.Error("an endless passwd was read")
	}
}

func TestLookupWithoutDatabases(t *testing.T) {
	root := t.TempDir()
	if u, err := Lookup(root, ""); err != nil || u.UID != 0 || u.Home != "/" {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := Lookup(root, "7:8"); err != nil || u.UID != 7 || u.GID != 8 {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := Lookup(root, "root"); err == nil {
		t.Error("a name was found in no file")
	}
}

func TestCorner25Identity(t *testing.T) {
	root := newRoot(t)
	id := Identity{UID: 1002, GID: 1003, User: "ann", Group: "staff", FullName: "Ann", Home: "/work"}
	body, changed, err := Passwd(root, id)
	if err != nil || !changed || body != testPasswd+"ann:*:1002:1003:Ann:/work:/bin/sh\n" {
		t.Errorf("passwd %q %v %v", body, changed, err)
	}
	body, changed, err = Group(root, id)
	if err != nil || !changed || body != testGroup+"staff:x:1003:ann\n" {
		t.Errorf("group %q %v %v", body, changed, err)
	}
	for range 2 { // a second start adds nothing
		if ok, err := WriteIdentity(root, id); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	if got := mustRead(t, filepath.Join(root, "etc/passwd")); got != testPasswd+"ann:*:1002:1003:Ann:/work:/bin/sh\n" {
		t.Errorf("passwd is %q", got)
	}
	if u, err := Lookup(root, "ann"); err != nil || u.UID != 1002 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestCorner25IdentityTemplates(t *testing.T) {
	id := Identity{UID: 5, GID: 6, PasswdEntry: "$USERNAME:x:$UID:$GID:$NAME:$HOME:/bin/zsh", GroupEntry: "g$GROUPNAME:x:$GID:$USERLIST\n"}
	if got := id.PasswdLine(); got != "5:x:5:6:container user:/:/bin/zsh\n" {
		t.Error(got)
	}
	if got := id.GroupLine(); got != "g6:x:6:5\n" {
		t.Error(got)
	}
	root := newRoot(t)
	body, changed, err := Passwd(root, Identity{UID: 33, PasswdEntry: "web:x:33:33::/:/bin/sh"})
	if err != nil || !changed || strings.Contains(body, "www") || !strings.HasSuffix(body, "\nweb:x:33:33::/:/bin/sh\n") {
		t.Errorf("%q %v %v", body, changed, err)
	}
}

func TestIdentityLinksStayInside(t *testing.T) {
	root := newRoot(t)
	link(t, "../../passwd", filepath.Join(root, "etc/passwd"))
	if _, err := WriteIdentity(root, Identity{UID: 9}); err == nil {
		// resolved inside the root: /passwd there
		if strings.Contains(mustRead(t, filepath.Join(root, "../passwd")), ":9:") {
			t.Error("wrote outside the root")
		}
	}
}

func TestCorner27WorkDir(t *testing.T) {
	root := newRoot(t)
	me := Owner{os.Getuid(), os.Getgid()}
	if err := EnsureWorkDir(root, "/srv/app", true, me, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(root, "srv/app"))
	if err != nil || info.Mode().Perm() != 0o755 || int(info.Sys().(*syscall.Stat_t).Uid) != me.UID {
		t.Errorf("%v %v", info, err)
	}
	err = EnsureWorkDir(root, "/nosuch", false, me, []string{"/data"})
	if !errors.Is(err, ErrNoWorkDir) || err.Error() != `workdir "/nosuch" does not exist on container` {
		t.Errorf("error %v", err)
	}
	for _, dir := range []string{"/data", "/data/deep/er"} {
		if err := EnsureWorkDir(root, dir, false, me, []string{"/data"}); err != nil {
			t.Errorf("%s below a mount: %v", dir, err)
		}
	}
	if err := EnsureWorkDir(root, "/usr/bin/tac", true, me, nil); err == nil {
		t.Error("a file passed as directory")
	}
}

func TestMountpoints(t *testing.T) {
	root := newRoot(t)
	link(t, "../..", filepath.Join(root, "out"))
	link(t, "/usr", filepath.Join(root, "in"))
	for name, inside := range map[string]string{
		"/a/b/c": "a/b/c", "/out/d": "d", "/in/e": "usr/e", "/../../../f": "f",
	} {
		if err := MkdirAll(root, name, 0o755, Owner{os.Getuid(), os.Getgid()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(root, inside)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ensureFile(root, "/out/x/file"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, "x/file")); err != nil {
		t.Error(err)
	}
	if err := EnsureMountpoint(root, "/x", false); err == nil {
		t.Error("a directory passed as file")
	}
	link(t, "/nowhere", filepath.Join(root, "dangling"))
	if err := MkdirAll(root, "/dangling/x", 0o755, Owner{}); err == nil {
		t.Error("made a directory behind a dangling link")
	}
}

func TestCorner24Mtab(t *testing.T) {
	root := newRoot(t)
	for range 2 {
		if err := EnsureMtab(root); err != nil {
			t.Fatal(err)
		}
	}
	if to, err := os.Readlink(filepath.Join(root, "etc/mtab")); err != nil || to != "/proc/mounts" {
		t.Errorf("%s %v", to, err)
	}
	if err := EnsureMtab(t.TempDir()); err != nil {
		t.Errorf("without /etc: %v", err)
	}
}

func TestCorner24Timezone(t *testing.T) {
	for _, name := range []string{"../../etc/shadow", "/etc/shadow", "No/Such"} {
		if _, err := Timezone(name); err == nil {
			t.Errorf("%s is a timezone", name)
		}
	}
	if body, err := Timezone("Etc/UTC"); err == nil && !strings.HasPrefix(string(body), "TZif") {
		t.Error("Etc/UTC is no TZif file")
	} else if err != nil && !strings.Contains(err.Error(), "unable to find timezone") {
		t.Error(err)
	}
}

func TestOpenDirMissing(t *testing.T) {
	if _, err := OpenDir(newRoot(t), "/nosuch"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
