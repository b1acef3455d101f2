package vm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// cutKernel switches off what this machine does without.
const cutKernel = noSecurity + " systemd.mask=cron.service"

// cutBoss is the boss of that machine: root, once per boot.
func cutBoss() error {
	if err := waitForSessions("ct"); err != nil {
		return err
	}
	fmt.Println(wordUp)
	account, err := user.Lookup("ct")
	if err != nil {
		return err
	}
	first := filepath.Join(account.HomeDir, "cut/ready")
	if _, err := os.Stat(first); err != nil {
		if err := command("sh", "-ec", prepareRoot); err != nil {
			return err
		}
	}
	return inSession("ct", roleEnv+"=cut-user").Run()
}

// prepareRoot is what root does for units of the account: the generator, and
// the disk with carob, which has to be there before the account's systemd.
const prepareRoot = `
mkdir -p /etc/systemd/user-generators /etc/systemd/system/user@1000.service.d
ln -s /ct/prefix/lib/systemd/user-generators/carob-user-generator /etc/systemd/user-generators/
cp /ct/prefix/lib/systemd/user/carob-user-wait-network-online.service /etc/systemd/user/
printf '[Unit]\nRequiresMountsFor=/ct\n' >/etc/systemd/system/user@1000.service.d/ct.conf
rm /var/lib/systemd/linger/wide
`

// prepareUser makes units of four kinds, and the archive of an image that can
// tell whether its files are all there.
const prepareUser = `
mkdir -p ~/cut ~/.config/systemd/user ~/.config/containers/systemd
cd ~/.config/containers/systemd
cat >~/cut/database <<'END'
cd /data
sqlite3 db 'pragma journal_mode=wal; create table if not exists t(n integer primary key, body)' >/dev/null
if test "$(sqlite3 db 'pragma integrity_check; select count(*) = coalesce(max(n), 0) from t')" != "ok
1"; then
	echo damaged
	sleep 1000
fi
n=$(sqlite3 db 'select count(*) from t')
echo resumed $n
while n=$((n+1)); do
	echo "insert into t values($n, hex(randomblob(500))); select 'row $n';"
	test $((n % 5)) != 0 || sleep 1
done | sqlite3 -cmd 'pragma synchronous=full' -cmd 'pragma wal_autocheckpoint=20' db
END
cat >db.container <<END
[Container]
ContainerName=db
Image=localhost/database
Volume=rows.volume:/data
Volume=$HOME/cut:/cut:ro
Exec=sh /cut/database
LogDriver=k8s-file
PodmanArgs=--tty
StopSignal=KILL
[Service]
TimeoutStartSec=200
[Install]
WantedBy=default.target
END
cat >shop-web.container <<END
[Container]
ContainerName=web
Image=localhost/database
Exec=sleep 1000
Pod=shop.pod
StopSignal=KILL
END
printf '[Volume]\n' >rows.volume
printf '[Pod]\nPodName=shop\n[Install]\nWantedBy=default.target\n' >shop.pod

carob import --quiet /ct/database.tar localhost/database
cd ~/.config/systemd/user
for name in kept anew; do carob create --name $name --stop-signal KILL localhost/database sleep 1000; done
carob generate systemd --name --files kept
carob generate systemd --name --new --files anew
carob rm anew
systemctl --user daemon-reload
systemctl --user enable container-kept container-anew
systemctl --user start container-kept container-anew db shop-pod

carob load --quiet --input /ct/images/busybox.tar
carob run --name maker busybox sh -c 'mkdir /files && for n in $(seq 60); do head -c 10000 /dev/urandom >/files/$n; done && sha256sum files/* >/sums'
carob export --output ~/cut/root.tar maker
carob rm maker
carob import --quiet ~/cut/root.tar localhost/big
rm ~/cut/root.tar
carob push --quiet localhost/big oci-archive:$HOME/cut/big.tar:localhost/big:latest
carob rmi localhost/big busybox
touch ~/cut/written ~/cut/ready
sync
`

// cutUnits are the units that run in every boot, and the container of each.
var cutUnits = map[string]string{"container-kept": "kept", "container-anew": "anew", "db": "db", "shop-web": "web"}

// cutUser looks at what the last power cut has left, and then works until the
// next one.
func cutUser() error {
	u := &cutAccount{dir: filepath.Join(os.Getenv("HOME"), "cut")}
	if _, err := os.Stat(filepath.Join(u.dir, "ready")); err != nil {
		if err := command("bash", "-euxc", prepareUser); err != nil {
			return err
		}
	}
	if err := u.check(); err != nil {
		return err
	}
	fmt.Println(wordSound)
	return u.work()
}

// cutAccount is the account whose containers are systemd units.
type cutAccount struct{ dir string }

// check tells what is not as it should be.
func (u *cutAccount) check() error {
	for _, step := range []func() error{u.checkUnits, u.checkWritten, u.checkContainers, u.checkVolumes, u.checkStorage} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkUnits waits for the units.
func (u *cutAccount) checkUnits() error {
	args := append([]string{"--user", "is-active"}, slices.Sorted(maps.Keys(cutUnits))...)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		out, _ := exec.Command("systemctl", args...).Output() // fails when one is not active
		if strings.TrimSpace(string(out)) == strings.TrimSpace(strings.Repeat("active\n", len(cutUnits))) {
			return nil
		}
		if time.Now().After(deadline) {
			states, _ := exec.Command("systemctl", append([]string{"--user", "list-units", "--all", "--plain", "--no-legend"}, args[2:]...)...).CombinedOutput()
			words, _ := exec.Command("journalctl", "--boot", "--no-pager", "--output=short-monotonic", "--quiet", "--lines=80", "_COMM=carob").CombinedOutput()
			return fmt.Errorf("not all units are up:\n%sand carob said:\n%s", states, words)
		}
	}
}

// checkWritten wants all that was told to the host: the containers, with the
// file that each has written and synced, their volumes, and the last secret.
func (u *cutAccount) checkWritten() error {
	names, err := u.written()
	if err != nil || len(names) == 0 {
		return err
	}
	last := names[len(names)-1]
	return errors.Join(
		carob(append([]string{"volume", "inspect"}, names...)...),
		carob(append([]string{"container", "inspect"}, names...)...),
		command("sh", "-c", `test "$(carob cp "$0":/file - | tar -xO)" = "$(yes "$0" | head -n 5000)"`, last),
		command("sh", "-c", `test "$(carob secret inspect --showsecret --format "{{.SecretData}}" "$0")" = "of $0"`, last))
}

// written lists what was written and told to the host since the last check.
func (u *cutAccount) written() ([]string, error) {
	list, err := os.ReadFile(u.list())
	return strings.Fields(string(list)), err
}

func (u *cutAccount) list() string { return filepath.Join(u.dir, "written") }

// checkContainers wants the container of each unit, once, and removes the
// others: those that have written, and those that were being started when the
// power was cut. There must be no directories of others.
func (u *cutAccount) checkContainers() error {
	out, err := answer("carob", "ps", "--all", "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	var rest, found []string
	for name := range strings.FieldsSeq(out) {
		if strings.HasPrefix(name, "work-") {
			rest = append(rest, name)
		} else if !strings.HasSuffix(name, "-infra") {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	if want := slices.Sorted(maps.Values(cutUnits)); !slices.Equal(found, want) {
		return fmt.Errorf("there are containers %q, not %q", found, want)
	}
	if err := carob(append([]string{"inspect", "--format={{.Name}}"}, strings.Fields(out)...)...); err != nil {
		return err
	}
	if len(rest) > 0 {
		// One of those that were in the middle of something can be used.
		if err := carob("start", rest[len(rest)-1]); err != nil {
			return err
		}
	}
	if err := carob(append([]string{"rm", "--force", "--ignore", "--time=0", "work-pod-one"}, rest...)...); err != nil {
		return err
	}
	if err := carob("pod", "rm", "--force", "--ignore", "--time=0", "work-pod"); err != nil {
		return err
	}
	dirs, err := os.ReadDir(filepath.Join(filepath.Dir(u.dir), ".local/share/containers/storage/carob/containers"))
	if err == nil && len(dirs) != len(found)+1 { // and the infra container
		err = fmt.Errorf("%d directories of containers for %q and an infra container", len(dirs), found)
	}
	return err
}

// checkStorage: what nobody refers to may be left of what was cut short, and
// once that is cleared away there must be nothing.
func (u *cutAccount) checkStorage() (err error) {
	for range 2 { // what is younger than a minute at first counts for somebody's work
		var out string
		if out, err = answer("carob", "system", "prune", "--force", "--volumes"); err != nil {
			return err
		}
		fmt.Printf("cut: cleared away: %q\n", out)
		if _, err = answer("carob", "system", "check"); err == nil { // it fails when it finds anything
			return nil
		}
	}
	return err
}

// checkVolumes wants every file that a container has written and synced.
// Volumes copy-* must hold all that the image has at /files; one whose filling
// was cut short is filled by the container that looks.
func (u *cutAccount) checkVolumes() error {
	names, err := u.written()
	if err != nil {
		return err
	}
	if err := carob("image", "exists", "localhost/big"); err != nil {
		if err := u.pull(); err != nil {
			return err
		}
	}
	filled, err := filepath.Glob(filepath.Join(filepath.Dir(u.dir), ".local/share/containers/storage/carob/volumes/copy-*"))
	if err != nil {
		return err
	}
	for _, path := range filled {
		copied := "--volume=" + filepath.Base(path) + ":/files"
		if err := carob("run", "--rm", "--network=none", "--name=work-filled", copied, "localhost/big", "sha256sum", "-c", "-s", "/sums"); err != nil {
			return err
		}
	}
	args := []string{"run", "--rm", "--network=none", "--name=work-check"}
	for _, name := range names {
		args = append(args, "--volume="+name+":/written/"+name)
	}
	if err := carob(append(args, append([]string{"localhost/big", "sh", "-c", checkFiles, "sh"}, names...)...)...); err != nil {
		return err
	}
	// The list goes before what it names: this, too, may be cut short.
	if err := errors.Join(os.Truncate(u.list(), 0), command("sync", u.list()), carob("rmi", "localhost/big")); err != nil {
		return err
	}
	return carob("secret", "rm", "--all")
}

const checkFiles = `
sha256sum -c -s /sums || { echo image is damaged; exit 1; }
for name; do
	test "$(cat /written/$name/file)" = "$(yes $name | head -n 5000)" || { echo "$name is damaged"; exit 1; }
done
`

// work goes on until the power is cut.
func (u *cutAccount) work() error {
	fail := make(chan error)
	boot := time.Now().Unix()
	var all sync.WaitGroup
	for _, job := range []func(id string, i int) error{u.start, u.fill, u.write, u.follow} {
		all.Go(func() {
			for i := 0; ; i++ {
				if err := job(fmt.Sprintf("%d-%d", boot, i), i); err != nil {
					fail <- err
					return
				}
			}
		})
	}
	fmt.Println(wordWorking)
	return <-fail
}

// start starts containers in one way after the other.
func (u *cutAccount) start(id string, i int) error {
	name := "--name=work-start-" + id
	switch i % 3 {
	case 0:
		return errors.Join(carob("run", "--detach", name, "localhost/database", "sleep", "1000"), carob("rm", "--force", "--time=0", name[len("--name="):]))
	case 1:
		yaml := filepath.Join(u.dir, "pod.yaml")
		if err := os.WriteFile(yaml, []byte(cutPod), 0o644); err != nil {
			return err
		}
		return errors.Join(carob("kube", "play", yaml), carob("kube", "down", yaml))
	default:
		return carob("run", "--rm", "--network=none", name, "localhost/database", "true")
	}
}

const cutPod = `apiVersion: v1
kind: Pod
metadata: {name: work-pod}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: one, image: localhost/database, command: [sleep, "1000"]}]
`

func (u *cutAccount) pull() error {
	return carob("pull", "--quiet", "oci-archive:"+filepath.Join(u.dir, "big.tar"))
}

// fill pulls an image and has a new volume filled from it.
func (u *cutAccount) fill(id string, _ int) error {
	if err := u.pull(); err != nil {
		return err
	}
	return errors.Join(
		carob("run", "--rm", "--network=none", "--name=work-fill-"+id, "--volume=copy-"+id+":/files", "localhost/big", "true"),
		carob("rmi", "localhost/big"))
}

// write has a container write and sync files of its own and in a new volume,
// makes a secret, notes that on the disk and tells the host.
func (u *cutAccount) write(id string, _ int) error {
	name := "work-" + id
	if err := carob("run", "--network=none", "--name="+name, "--volume="+name+":/data", "localhost/database",
		"sh", "-c", "yes "+name+" | head -n 5000 >/data/file && cat /data/file >/file && sync /data/file /file"); err != nil {
		return err
	}
	if err := command("sh", "-c", `printf "of $0" | carob secret create "$0" -`, name); err != nil {
		return err
	}
	f, err := os.OpenFile(u.list(), os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, name)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	fmt.Println(wordFile + name)
	return nil
}

// follow passes on what the database says.
func (u *cutAccount) follow(string, int) error {
	cmd := exec.Command("carob", "logs", "--follow", "db")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := strings.TrimRight(lines.Text(), "\r")
		switch word, _, _ := strings.Cut(line, " "); word {
		case "row", "resumed":
			fmt.Println("cut: " + line)
		case "damaged", "Error:":
			return fmt.Errorf("the database says %q", line)
		}
	}
	return fmt.Errorf("the database's log has ended: %w", cmd.Wait())
}

func carob(args ...string) error { return command("carob", args...) }

// command runs a program that must not fail.
func command(name string, args ...string) error {
	_, err := answer(name, args...)
	return err
}

// answer is what a program prints; its complaints are in the error.
func answer(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, out, &complaint)
	}
	return string(out), nil
}
