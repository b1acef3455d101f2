package crash

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// refused runs a command that must fail with a code, one line that says why,
// and at most one more with a hint or where to read on.
func (s *site) refused(code int, says string, argv ...string) {
	s.t.Helper()
	r := s.carob(argv...)
	line := strings.Join(argv, " ")
	words, hint, hinted := strings.Cut(strings.TrimSuffix(r.Stderr, "\n"), "\n")
	if r.Code != code {
		s.t.Errorf("%s: exit code %d, not %d: %s", line, r.Code, code, r.Stderr)
	}
	helpful := !hinted || strings.HasPrefix(hint, "Hint: ") || strings.HasPrefix(hint, "See 'carob ")
	if !strings.HasPrefix(words, "Error: ") || !helpful || strings.Contains(hint, "\n") {
		s.t.Errorf("%s: not one clear line: %q", line, r.Stderr)
	}
	if !strings.Contains(r.Stderr, says) {
		s.t.Errorf("%s: nothing of %q in: %s", line, says, r.Stderr)
	}
}

// nothingMade: there is what newSite has made, and nothing else.
func (s *site) nothingMade() {
	s.t.Helper()
	for _, c := range []struct{ want, line string }{
		{"", "ps --all --quiet"},
		{"precious", "volume ls --quiet"},
		{"localhost/busybox:latest", "images --all --format {{.Repository}}:{{.Tag}}"},
	} {
		if got := strings.TrimSpace(s.must(strings.Fields(c.line)...)); got != c.want {
			s.t.Errorf("%s: %q, not %q", c.line, got, c.want)
		}
	}
	s.ageStaging()
	s.must("image", "prune", "-f")
	keeper, _ := s.KeeperPID() // 0: none
	for _, leak := range s.Leaks(keeper) {
		s.t.Error("left behind: " + leak)
	}
}

// TestBadFlags: of create, which takes all that run takes, and says all that
// can be known before the start. A bar separates what must be said.
func TestBadFlags(t *testing.T) {
	t.Parallel()
	s := newSite(t, "bad-flags")
	s.write(filepath.Join(s.Home, "bad-env"), func(w io.Writer) error { _, err := io.WriteString(w, "=x\n"); return err })
	s.write(filepath.Join(s.Home, "taken"), func(w io.Writer) error { return nil })
	for _, c := range badFlags() {
		flags, says, _ := strings.Cut(c, " | ")
		argv := strings.Fields("create " + strings.ReplaceAll(flags, "HOME", s.Home))
		s.refused(125, strings.ReplaceAll(says, "HOME", s.Home), append(argv, "busybox", "true")...)
	}
	s.refused(125, "name", "create", "--name", "a b", "busybox")
	s.refused(125, "--name", "create", "--replace", "busybox")
	s.nothingMade()
}

func badFlags() []string {
	return []string{
		"--nosuch | unknown flag: --nosuch",
		"--memory much | much", "--memory-swap 1x | 1x", "--cpus x | x", "--cpu-shares many | many", "--cpuset-cpus x-y | x-y",
		"--pids-limit few | few", "--blkio-weight 5 | 5", "--oom-score-adj 5000 | 5000", "--shm-size 1q | 1q",
		"--userns nosuch | nosuch", "--userns keep-id:nosuch=1 | nosuch", "--uidmap 0 | 0", "--uidmap 0:x:1 | 0:x:1",
		"--ulimit nofile=x | nofile=x", "--ulimit nosuch=1 | nosuch", "--stop-signal NOSUCH | NOSUCH", "--stop-timeout soon | soon",
		"--timeout soon | soon", "--log-driver nosuch | nosuch", "--log-opt max-size=x | max-size", "--restart sometimes | sometimes",
		"--restart on-failure:x | on-failure:x", "--rm --restart always | restart",
		"--publish 99999:1 | 99999", "--publish 1:2:3:4:5 | 1:2:3:4:5", "--publish 10-12:1 | 10-12", "--publish 1/icmp | icmp",
		"--volume /nosuch/x:/x | /nosuch/x", "--volume a:b:c:d | a:b:c:d", "--volume /tmp:relative | relative", "--volume v:/x:nosuch | nosuch",
		"--mount type=nosuch,target=/x | nosuch", "--mount type=bind | ", "--mount type=bind,source=/nosuch,target=/x | /nosuch",
		"--mount type=tmpfs,target=/x,nosuch=1 | nosuch", "--tmpfs relative | relative", "--tmpfs /x:nosuch | nosuch",
		"--device /dev/nosuch | /dev/nosuch", "--device-cgroup-rule nonsense | nonsense",
		"--network nosuch | nosuch", "--network container:nosuch | nosuch", "--pid nosuch | nosuch", "--pid container:nosuch | nosuch",
		"--ipc nosuch | nosuch", "--uts nosuch | nosuch", "--cgroupns nosuch | nosuch", "--cgroups nosuch | nosuch",
		"--cap-add NOSUCH | NOSUCH", "--cap-drop NOSUCH | NOSUCH", "--security-opt nosuch | nosuch",
		"--security-opt seccomp=/nosuch | /nosuch", "--security-opt seccomp=HOME/bad-env | HOME/bad-env", "--sysctl nonsense | nonsense",
		"--env-file /nosuch | /nosuch", "--env-file HOME/bad-env | =x", "--env =x | =x", "--label-file /nosuch | /nosuch",
		"--add-host nonsense | nonsense", "--add-host a:nonsense | nonsense", "--dns nonsense | nonsense",
		"--workdir relative | relative", "--umask 9999 | 9999", "--tz Nowhere/Land | Nowhere/Land",
		"--cidfile HOME/taken | HOME/taken", "--cidfile /nosuch/x | /nosuch/x", "--secret nosuch | nosuch", "--pull sometimes | sometimes",
		"--platform a/b/c/d | a/b/c/d", "--image-volume nosuch | nosuch", "--systemd maybe | maybe", "--init --init-path /nosuch | /nosuch",
		"--health-interval x | x", "--requires nosuch | nosuch", "--volumes-from nosuch | nosuch", "--volumes-from x:nosuch | nosuch",
		"--attach nosuch | nosuch",
	}
}

// TestBadPodFlags: the same for pod create and kube play.
func TestBadPodFlags(t *testing.T) {
	t.Parallel()
	s := newSite(t, "bad-pods")
	for _, c := range []string{
		"--userns nosuch | nosuch", "--userns keep-id:nosuch=1 | nosuch", "--pid nosuch | --pid", "--uts nosuch | nosuch", "--network nosuch | nosuch",
		"--shm-size 1q | 1q", "--memory much | much", "--memory-swap 1x | 1x", "--cpus x | x", "--cpuset-cpus x | x", "--cpu-shares many | many",
		"--blkio-weight 5 | 5", "--pids-limit few | few", "--device-read-bps x | x", "--share nosuch | nosuch", "--exit-policy nosuch | nosuch",
		"--restart sometimes | sometimes", "--publish 99999 | 99999", "--publish 1/icmp | icmp", "--volume /nosuch/x:/x | /nosuch/x",
		"--volume a:b:c:d | a:b:c:d", "--volumes-from nosuch | nosuch", "--device /dev/nosuch | /dev/nosuch", "--sysctl nonsense | nonsense",
		"--security-opt nosuch | nosuch", "--add-host nonsense | nonsense", "--dns nonsense | nonsense", "--label =x | =x", "--label-file /nosuch | /nosuch",
		"--hostname a/b | a/b", "--ip 10.0.0.1 | named network", "--mac-address 02:00:00:00:00:01 | named network", "--network-alias x | named network",
		"--uidmap 0 | 0", "--gidmap x | x", "--subuidname nosuch | nosuch", "--userns auto --uidmap 0:1:2 | together", "--pod-id-file /nosuch/x | /nosuch/x",
		"--infra-command x | --infra-command", "--infra-image x | --infra-image", "--infra-name a/b | a/b", "--infra=false --infra-name x | infra container",
		"--infra=false --share net | infra container", "--infra=false --publish 80 | --publish", "--share net --hostname x | --hostname",
		"--no-hosts --add-host a:1.2.3.4 | together", "--name a/b | a/b", "--nosuch | --nosuch",
	} {
		flags, says, _ := strings.Cut(c, " | ")
		s.refused(125, says, strings.Fields("pod create "+flags)...)
	}
	file := filepath.Join(s.Home, "pod.yaml")
	s.write(file, func(w io.Writer) error {
		_, err := io.WriteString(w, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: localhost/busybox, command: [sleep, '1000']}]}\n")
		return err
	})
	for _, c := range []string{
		"--userns nosuch | nosuch", "--annotation nonsense | nonsense", "--log-driver nosuch | nosuch", "--log-opt nosuch=1 | nosuch",
		"--publish nonsense | nonsense", "--publish 1/icmp | icmp", "--network nosuch | nosuch", "--ip 10.0.0.1 | named networks",
		"--mac-address 02:00:00:00:00:01 | named networks", "--configmap /nosuch | /nosuch", "--build | later version", "--context-dir . | later version",
		"--down --wait | --wait", "--force | --force", "--nosuch | --nosuch",
	} {
		flags, says, _ := strings.Cut(c, " | ")
		s.refused(125, says, append(strings.Fields("kube play "+flags), file)...)
	}
	if left := s.must("pod", "ps", "-q"); left != "" {
		t.Errorf("pods are left: %s", left)
	}
	s.nothingMade()
}

// TestBadReferences: names that cannot be an image's, a container's, a volume's.
func TestBadReferences(t *testing.T) {
	t.Parallel()
	s := newSite(t, "bad-refs")
	for _, name := range []string{
		"Bad:Ref:erence", "UPPER/case", "a//b", "-x/y", "busybox:", "busybox:.tag", "busybox@sha256:123", "busybox@md5:0", "a b", "ä",
		strings.Repeat("x", 300), "host:port/x", "http://host/x", "docker://",
	} {
		s.refused(125, "", "pull", "--", name)
		s.refused(125, "", "run", "--rm", "--", name, "true")
		s.refused(125, "", "tag", "--", "busybox", name)
	}
	for _, line := range []string{
		"run --rm", "pull oci-archive:/nosuch", "pull oci:/nosuch", "pull --quiet dir:/nosuch", "pull docker-archive:/nosuch", "pull nosuch:/x",
		"load --input /nosuch", "import /nosuch", "save --output /nosuch/x busybox", "save --format nosuch busybox", "export nosuch",
		"start nosuch", "logs nosuch", "stop nosuch", "inspect nosuch", "rename nosuch x", "cp nosuch:/x /tmp", "wait nosuch",
		"volume create a/b", "volume inspect nosuch", "ps --filter nosuch=x", "images --filter nosuch=x", "ps --format {{",
		"events --since nonsense --stream=false", "login --password x", "nosuch", "volume nosuch",
	} {
		s.refused(125, "", strings.Fields(line)...)
	}
	s.refused(1, "nosuch", "volume", "rm", "nosuch")
	s.refused(1, "nosuch", "rm", "nosuch")
	s.refused(1, "nosuch", "rmi", "nosuch")
	s.nothingMade()
}

// TestBadArchives: truncated, hostile, and much larger than they look.
func TestBadArchives(t *testing.T) {
	t.Parallel()
	s := newSite(t, "bad-archives")
	outside := filepath.Join(s.Home, "outside")
	if err := os.Mkdir(outside, 0o777); err != nil {
		t.Fatal(err)
	}
	bomb := s.bomb(10 << 30)
	// Its layers are measured, by a library, before any of it is unpacked.
	s.refused(125, "unpacks to more than", "load", "--quiet", "--input", s.dockerArchive("bomb", s.bomb(3<<30), strings.Repeat("0", 64)))
	for _, archive := range []string{
		s.cut(filepath.Join(host.Images, "busybox.tar")),
		bomb,
		s.archiveOf("hard", []tar.Header{{Typeflag: tar.TypeLink, Name: "h", Linkname: strings.Repeat("../", 20) + "etc/passwd"}}),
		s.archiveOf("kind", []tar.Header{{Typeflag: 'Z', Name: "z"}}),
	} {
		s.refused(125, "", "load", "--quiet", "--input", archive)
		s.refused(125, "", "pull", "--quiet", "docker-archive:"+archive)
		s.refused(125, "", "create", "--quiet", "docker-archive:"+archive, "true")
	}
	s.refused(125, "unpacks to more than", "import", "--quiet", bomb)
	s.refused(125, "", "pull", "--quiet", "oci:"+s.wrongDigest())
	s.stayInside(outside)
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("written outside: %v %v", left, err)
	}
	s.nothingMade()
}

// stayInside loads what tries to get out: refused or not, it must not.
func (s *site) stayInside(outside string) {
	s.t.Helper()
	up := strings.Repeat("../", 20)
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
	for name, headers := range map[string][]tar.Header{
		"dots":     {file(up + outside + "/a")},
		"absolute": {file(outside + "/b")},
		"link":     {link("l", outside), file("l/c")},
		"uplink":   {link("l", up+outside), file("l/d")},
		"hardlink": {{Typeflag: tar.TypeLink, Name: "h", Linkname: outside}, file("h/e")},
		"device":   {{Typeflag: tar.TypeBlock, Name: "sda", Devmajor: 8, Mode: 0o666}},
		"whiteout": {link("l", outside+"/.."), file("l/.wh.outside")},
	} {
		s.carob("load", "--quiet", "--input", s.archiveOf(name, headers))
		s.must("rmi", "--force", "--ignore", "localhost/"+name)
	}
}

func (s *site) archiveOf(name string, headers []tar.Header) string {
	s.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	layer := filepath.Join(s.Home, name+".layer")
	s.write(layer, func(f io.Writer) error { _, err := f.Write(b.Bytes()); return err })
	return s.dockerArchive(name, layer, hex.EncodeToString(sum[:]))
}

// cut is the first half of a file.
func (s *site) cut(file string) string {
	s.t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	half := filepath.Join(s.Home, "half.tar")
	s.write(half, func(f io.Writer) error { _, err := f.Write(body[:len(body)/2]); return err })
	return half
}

// bomb is a compressed tar of a file of size zeros: gzip files one behind the
// other are one.
func (s *site) bomb(size int64) string {
	s.t.Helper()
	const part = 64 << 20
	path := filepath.Join(s.Home, fmt.Sprintf("bomb%d.tar.gz", size>>30))
	s.write(path, func(f io.Writer) error {
		head := gzip.NewWriter(f)
		if err := tar.NewWriter(head).WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
			return err
		}
		if err := head.Close(); err != nil {
			return err
		}
		var zeros bytes.Buffer
		z := gzip.NewWriter(&zeros)
		if _, err := z.Write(make([]byte, part)); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		for n := int64(0); n < size; n += part {
			if _, err := f.Write(zeros.Bytes()); err != nil {
				return err
			}
		}
		return nil
	})
	return path
}

// wrongDigest is an OCI layout with a blob that is not what it is called.
func (s *site) wrongDigest() string {
	s.t.Helper()
	dir := filepath.Join(s.Home, "layout")
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if r := s.run("tar", "-C", dir, "-xf", filepath.Join(host.Images, "layers.oci.tar")); r.Code != 0 {
		s.t.Fatal(r.Stderr)
	}
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, blob := range blobs {
		body, err := os.ReadFile(blob)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(body) < 1 || body[0] != 0x1f {
			continue // only layers
		}
		if err := os.WriteFile(blob, append(body, 0), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// TestBadConfiguration: files that this user or the host's owner wrote wrongly
// are told by their names.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	s := newSite(t, "bad-config")
	dir := filepath.Join(s.Home, ".config/containers")
	notDir := filepath.Join(s.Home, "file")
	s.write(notDir, func(io.Writer) error { return nil })
	for _, c := range []struct{ file, body, says string }{
		{"storage.conf", "[storage\ndriver =", "storage.conf"},
		{"storage.conf", "[storage]\ndriver = 5\n", "storage.conf"},
		{"storage.conf", "[storage]\ndriver = \"nosuch\"\n", "nosuch"},
		{"storage.conf", "[storage]\ndriver = \"overlay\"\ngraphroot = \"" + notDir + "/x\"\n", notDir},
		{"containers.conf", "[containers\n", "containers.conf"},
		{"containers.conf", "[engine]\nruntime = 5\n", "containers.conf"},
	} {
		path := filepath.Join(dir, c.file)
		old, oldErr := os.ReadFile(path)
		s.write(path, func(w io.Writer) error { _, err := io.WriteString(w, c.body); return err })
		s.refused(125, c.says, "run", "--rm", "--network=none", "busybox", "true")
		s.refused(125, c.says, "pull", "docker-archive:"+filepath.Join(host.Images, "layers.tar"))
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if oldErr == nil {
			s.write(path, func(w io.Writer) error { _, err := w.Write(old); return err })
		}
	}
	for file, argv := range map[string][]string{
		"policy.json":     {"pull", "--quiet", "docker-archive:" + filepath.Join(host.Images, "layers.tar")},
		"registries.conf": {"pull", "--quiet", "nosuch"},
	} {
		s.write(filepath.Join(dir, file), func(w io.Writer) error { _, err := io.WriteString(w, "{["); return err })
		s.refused(125, file, argv...)
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	s.nothingMade()
}

// TestMissingPrograms: the package is named.
func TestMissingPrograms(t *testing.T) {
	t.Parallel()
	s := newSite(t, "missing")
	path := os.Getenv("PATH")
	s.Env = append(s.Env, "PATH="+s.without("pasta", "slirp4netns", "passt"))
	s.refused(125, "apt-get install passt", "run", "--rm", "busybox", "true")
	s.refused(125, "apt-get install slirp4netns", "run", "--rm", "--network=slirp4netns", "busybox", "true")
	s.must("run", "--rm", "--network=none", "busybox", "true")
	s.Env = append(s.Env, "PATH="+path)
	s.refused(125, "apt-get install crun", "--runtime", "nosuch", "run", "--rm", "--network=none", "busybox", "true")

	s.must("system", "migrate")
	s.Env = append(s.Env, "PATH="+s.without("newuidmap", "newgidmap"))
	r := s.carob("info")
	if !strings.Contains(r.Stderr, "apt-get install uidmap") {
		t.Errorf("newuidmap is missing: exit code %d: %s", r.Code, r.Stderr)
	}
	s.Env = append(s.Env, "PATH="+path)
	s.must("system", "migrate")
	s.nothingMade()
}

// without is a PATH on which some programs are not.
func (s *site) without(programs ...string) string {
	s.t.Helper()
	dir := filepath.Join(s.Home, "without-"+programs[0])
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		list, _ := os.ReadDir(from) // not every one is there
		for _, e := range list {
			if !slices.Contains(programs, e.Name()) {
				_ = os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())) // the first one counts
			}
		}
	}
	return dir
}
