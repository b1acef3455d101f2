package userns

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/pkg/userns/join"
)

func TestSubIDs(t *testing.T) {
	const file = "# comment\nroot:1:1\nann:200000:65536\n1000:100000:10\nann:x:1\nann:5:0\nbob:300000:65536\nann:4294967290:10\n"
	got := parseSubIDs(file, []string{"ann", "1000"})
	if want := []Range{{100000, 10}, {200000, 65536}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v: by name and number, lowest first, broken lines left out", got, want)
	}
	got = parseGetsubids("0: ann 200000 65536\n1: ann 100000 10\nError fetching ranges\n")
	if want := []Range{{100000, 10}, {200000, 65536}}; !reflect.DeepEqual(got, want) {
		t.Errorf("getsubids: got %v, want %v", got, want)
	}
}

func TestCureNamesTheSwitch(t *testing.T) {
	for name, value := range map[string]string{
		"user/max_user_namespaces":                     "0",
		"kernel/unprivileged_userns_clone":             "0",
		"kernel/apparmor_restrict_unprivileged_userns": "1",
	} {
		hint := cure(func(n string) string {
			if n == name {
				return value
			}
			return ""
		})
		if !strings.Contains(hint, "sysctl -w "+strings.ReplaceAll(name, "/", ".")+"=") {
			t.Errorf("%s=%s: hint %q does not change it", name, value, hint)
		}
	}
	if hint := cure(func(string) string { return "" }); hint != "" {
		t.Errorf("a hint without a reason: %s", hint)
	}
	err := refused(join.StepUserFailed, unix.ENOSPC)
	if want := "cannot make a user namespace: no space left on device"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestPrivateDir(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	for range 2 { // makes it, then takes it as it is
		if err := privateDir(good); err != nil {
			t.Fatal(err)
		}
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o711); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{open, link} {
		if err := privateDir(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestRecordOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	self := record{pid: os.Getpid(), start: 1, boot: boot}
	for name, line := range map[string]string{
		"this process, which is no keeper": self.String(),
		"nothing":                          "",
		"words":                            "who knows\n",
		"init":                             "1 1 " + boot + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, recordName), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, alive := readRecord(dir); alive {
			t.Errorf("%s: taken for a keeper: %v", name, r)
		}
	}
}

func TestMappingOfThisProcess(t *testing.T) {
	uids, gids, err := Mapping()
	if err != nil || len(uids) == 0 || len(gids) == 0 {
		t.Fatalf("got %v, %v, %v", uids, gids, err)
	}
}
