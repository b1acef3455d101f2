package vm

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// top is the module's directory, seen from this test.
const top = "../.."

// makeDisks has the root made if need be, and puts carob, this program, the
// scripts and the test images on a disk of their own.
func makeDisks(work string) (*disks, error) {
	if err := run(top, "hack/setup-host.sh"); err != nil {
		return nil, err
	}
	script := exec.Command("hack/vm-root.sh")
	script.Dir = top
	script.Stderr = os.Stderr
	root, err := script.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot run hack/vm-root.sh: %w", err)
	}
	d := &disks{
		root:    strings.TrimSpace(string(root)),
		overlay: filepath.Join(work, "root.qcow2"),
		payload: filepath.Join(work, "payload.img"),
		console: filepath.Join(work, "console"),
	}
	stage := filepath.Join(work, "stage")
	if err := fillStage(stage); err != nil {
		return nil, err
	}
	if err := run(work, "truncate", "-s", "512M", d.payload); err != nil {
		return nil, err
	}
	return d, run(work, "mke2fs", "-q", "-t", "ext4", "-L", "carob-test", "-E", "root_owner=0:0", "-d", stage, d.payload)
}

// guest is what the machine's systemd starts. The second serial port is the
// way out.
const guest = `#!/bin/sh
stty -F /dev/ttyS1 raw -echo
cd /ct/source
export CAROB_VM_ROLE=boss PATH=/ct/prefix/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=xterm
exec /ct/body "$@" >/dev/ttyS1 2>&1 </dev/null
`

func fillStage(stage string) error {
	if err := os.MkdirAll(filepath.Join(stage, "source"), 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cache := os.Getenv("CAROB_TEST_CACHE")
	if cache == "" {
		cache = "/var/cache/carob-test"
	}
	for _, argv := range [][]string{
		{"make", "--silent", "install", "PREFIX=/ct/prefix", "DESTDIR=" + filepath.Join(stage, "install")},
		{"mv", filepath.Join(stage, "install/ct/prefix"), filepath.Join(stage, "prefix")},
		{"go", "build", "-buildvcs=false", "-o", filepath.Join(stage, "tools") + "/", "./test/ptyrun"},
		{"cp", "/usr/bin/docker-registry", filepath.Join(stage, "tools") + "/"},
		{"cp", self, filepath.Join(stage, "body")},
		{"cp", "-r", "test/vm/scripts", filepath.Join(stage, "source")},
		{"cp", "-r", "pkg/unitfile/generate/testdata", filepath.Join(stage, "units")},
		{"cp", "-r", "pkg/quadlet/testdata", filepath.Join(stage, "quadlet")},
		{"cp", "-r", "docs/tutorials", "test/vm/tutorial.sh", filepath.Join(stage, "source")},
		{"test/vm/database-image.sh", filepath.Join(stage, "database.tar")},
		{"cp", "-rL", filepath.Join(cache, "images"), filepath.Join(stage, "images")},
	} {
		if err := run(top, argv...); err != nil {
			return err
		}
	}
	script := strings.Replace(guest, `"$@"`, quoteAll(os.Args[1:]), 1)
	return os.WriteFile(filepath.Join(stage, "guest"), []byte(script), 0o755)
}

// quoteAll makes shell words of this program's own flags, but those that name
// files of the host.
func quoteAll(args []string) string {
	var words []string
	for _, a := range args {
		if strings.HasPrefix(a, "-test.testlogfile") || strings.HasPrefix(a, "-test.timeout") || strings.Contains(a, "profile=") {
			continue
		}
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// run shows the output of a preparing step only when it fails.
func run(dir string, argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot run %s: %w\n%s", strings.Join(argv, " "), err, &out)
	}
	return nil
}
