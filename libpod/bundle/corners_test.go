package bundle

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/hostdev"
)

func TestCorner09InitProgram(t *testing.T) {
	in := with(func(in *Input) { in.Spec.Process.Init, in.Host.InitPath = true, "/usr/bin/catatonit" })
	config := generateOK(t, in)
	if got := strings.Join(config.Process.Args, " "); got != "/run/podman-init -- /entry serve -v" {
		t.Errorf("args are %s", got)
	}
	if m := mountAt(config, "/run/podman-init"); m == nil || m.Source != "/usr/bin/catatonit" || !slices.Contains(m.Options, "ro") {
		t.Errorf("mount is %v", m)
	}
	in.Host.InitPath = ""
	_, err := Generate(in)
	wantError(t, err, "cannot use --init: no init program was found on the host", "install the package catatonit, or name one with --init-path")
	in.Spec.Process.InitPath = "/my/init"
	if m := mountAt(generateOK(t, in), "/run/podman-init"); m == nil || m.Source != "/my/init" {
		t.Errorf("mount is %v", m)
	}
}

func TestCorner10StopSignal(t *testing.T) {
	image := &v1.ImageConfig{StopSignal: "SIGQUIT", Cmd: []string{"x"}}
	init := &v1.ImageConfig{Cmd: []string{"/sbin/init"}}
	for _, c := range []struct {
		asked string
		image *v1.ImageConfig
		want  int
	}{{"", nil, 15}, {"", image, 3}, {"INT", image, 2}, {"", init, 37}, {"SIGRTMIN+4", init, 38}} {
		got, err := StopSignal(&spec.Container{Process: spec.Process{StopSignal: c.asked}}, c.image)
		if err != nil || got != c.want {
			t.Errorf("%q of %v: %d, %v; want %d", c.asked, c.image, got, err, c.want)
		}
	}
}

func TestSystemdMode(t *testing.T) {
	for _, c := range []struct {
		mode string
		args []string
		want bool
	}{
		{"", []string{"/sbin/init"}, true}, {"true", []string{"/usr/lib/systemd/systemd", "--user"}, true}, {"", []string{"systemd"}, true},
		{"", []string{"/bin/sh", "-c", "/usr/sbin/init"}, true}, {"", []string{"/bin/sh", "-c"}, false}, {"", []string{"init"}, false},
		{"false", []string{"/sbin/init"}, false}, {"always", []string{"sleep"}, true}, {"", []string{"sh", "/sbin/init"}, false},
	} {
		if got := Systemd(&spec.Container{Process: spec.Process{Systemd: c.mode, Command: c.args}}, nil); got != c.want {
			t.Errorf("%s %v: %v", c.mode, c.args, got)
		}
	}
	always := with(func(in *Input) { in.Spec.Process.Systemd, in.Host.CgroupVersion = "always", 1 })
	if _, err := Generate(always); err == nil || !strings.Contains(err.Error(), "cgroup v1") {
		t.Errorf("systemd on cgroup v1: %v", err)
	}
}

func TestCorner19ReadOnlyTmpfs(t *testing.T) {
	in := with(func(in *Input) { in.Spec.Mounts.ReadOnly = true })
	config := generateOK(t, in)
	if !config.Root.Readonly {
		t.Error("the root file system can be written to")
	}
	for _, place := range []string{"/run", "/tmp", "/var/tmp"} {
		m := mountAt(config, place)
		if m == nil || m.Type != "tmpfs" || strings.Join(m.Options, ",") != "rw,rprivate,nosuid,nodev,tmpcopyup" {
			t.Errorf("%s: %v", place, m)
		}
	}
	in.Spec.Mounts.NoReadOnlyTmpfs = true
	config = generateOK(t, in)
	if mountAt(config, "/tmp") != nil || !slices.Contains(mountAt(config, "/dev/shm").Options, "ro") {
		t.Error("--read-only-tmpfs=false leaves something writable")
	}
}

func TestCorner19TmpfsOptions(t *testing.T) {
	for _, c := range []struct {
		m    spec.Mount
		want string
	}{
		{spec.Mount{}, "rw,rprivate,nosuid,nodev,tmpcopyup"},
		{spec.Mount{Options: []string{"size=1k", "noexec", "suid", "dev", "ro"}}, "size=1024,noexec,suid,dev,ro,rprivate,tmpcopyup"},
		{spec.Mount{Options: []string{"size=50%", "notmpcopyup", "mode=700", "noatime"}}, "size=50%,mode=700,noatime,rw,rprivate,nosuid,nodev"},
		{spec.Mount{NoTmpCopyUp: true}, "rw,rprivate,nosuid,nodev"},
	} {
		c.m.Type, c.m.Destination = spec.MountTmpfs, "/t"
		config := generateOK(t, with(func(in *Input) { in.Mounts = []spec.Mount{c.m} }))
		if got := strings.Join(mountAt(config, "/t").Options, ","); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func bind(source, destination string, options ...string) spec.Mount {
	return spec.Mount{Type: spec.MountBind, Source: source, Destination: destination, Options: options}
}

func TestCorner20MountOrder(t *testing.T) {
	config := generateOK(t, with(func(in *Input) {
		in.Mounts = []spec.Mount{bind("/1", "/a/b/c"), bind("/2", "/a"), bind("/3", "/a/b/"), bind("/4", "/z")}
	}))
	var order []string
	for _, m := range config.Mounts {
		order = append(order, m.Destination)
	}
	last := 0
	for _, d := range order {
		if n := depth(d); n < last {
			t.Fatalf("%s comes after something deeper: %v", d, order)
		} else {
			last = n
		}
	}
	if mountAt(config, "/a/b") == nil {
		t.Error("a trailing slash made another destination")
	}
}

func TestCorner20Overrides(t *testing.T) {
	config := generateOK(t, with(func(in *Input) {
		in.Mounts = []spec.Mount{
			{Type: spec.MountVolume, Source: "/image-volume", Destination: "/data", FromImage: true}, bind("/mine", "/data"),
			bind("/my/shm", "/dev/shm"), bind("/my/hosts", "/etc/hosts"), bind("/my/cg", "/sys/fs/cgroup"),
		}
	}))
	for destination, source := range map[string]string{
		"/data": "/mine", "/dev/shm": "/my/shm", "/etc/hosts": "/my/hosts", "/sys/fs/cgroup": "/my/cg", "/etc/resolv.conf": "/run/c/resolv.conf",
	} {
		if m := mountAt(config, destination); m == nil || m.Source != source {
			t.Errorf("%s: %v, want %s", destination, m, source)
		}
	}
}

func TestCorner20OwnDev(t *testing.T) {
	config := generateOK(t, with(func(in *Input) { in.Mounts = []spec.Mount{bind("/mine", "/dev"), bind("/x", "/dev/shm")} }))
	for _, m := range config.Mounts {
		if strings.HasPrefix(m.Destination, "/dev/") && m.Source != "/x" {
			t.Errorf("%s was put into the user's own /dev", m.Destination)
		}
	}
}

func TestMountOptions(t *testing.T) {
	for _, c := range []struct {
		m    spec.Mount
		want string
	}{
		{bind("/s", "/d"), "rw,rprivate,rbind"},
		{bind("/s", "/d", "ro", "bind", "rslave", "noexec"), "ro,bind,rslave,noexec"},
		{spec.Mount{Type: spec.MountVolume, Source: "/s"}, "rw,rprivate,nosuid,nodev,rbind"},
		{spec.Mount{Type: spec.MountVolume, Source: "/s", Options: []string{"suid", "dev"}}, "suid,dev,rw,rprivate,rbind"},
		{spec.Mount{Type: spec.MountImage, Source: "/s"}, "ro,rprivate,rbind"},
		{spec.Mount{Type: spec.MountBind, Source: "/a:b,c", Overlay: true, UpperDir: "/u", WorkDir: "/w"},
			`lowerdir=/a\:b\,c,upperdir=/u,workdir=/w,private,userxattr`},
		{spec.Mount{Type: spec.MountDevpts}, "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
	} {
		c.m.Destination = "/d"
		config := generateOK(t, with(func(in *Input) { in.Mounts = []spec.Mount{c.m} }))
		if got := strings.Join(mountAt(config, "/d").Options, ","); got != c.want {
			t.Errorf("%v: got %s, want %s", c.m, got, c.want)
		}
	}
}

func TestPropagation(t *testing.T) {
	for option, want := range map[string]string{"rprivate": "", "rslave": "rslave", "slave": "rslave", "rshared": "shared", "shared": "shared"} {
		config := generateOK(t, with(func(in *Input) { in.Mounts = []spec.Mount{bind("/s", "/d", option)} }))
		if got := config.Linux.RootfsPropagation; got != want {
			t.Errorf("%s: / is %q, want %q", option, got, want)
		}
	}
}

func TestUnresolvedMounts(t *testing.T) {
	for _, m := range []spec.Mount{{Type: spec.MountGlob}, {Type: spec.MountBind}, {Type: spec.MountVolume}, {Type: spec.MountBind, Source: "/s", Overlay: true}} {
		m.Destination = "/d"
		if _, err := Generate(with(func(in *Input) { in.Mounts = []spec.Mount{m} })); err == nil || !strings.Contains(err.Error(), "/d") {
			t.Errorf("%v: %v", m, err)
		}
	}
}

func TestCorner39IDMappedMount(t *testing.T) {
	in := with(func(in *Input) {
		m := bind("/s", "/d")
		m.IDMap = ptr("")
		in.Mounts = []spec.Mount{m}
	})
	_, err := Generate(in)
	wantError(t, err, "cannot mount /d with idmap: the kernel allows that to root only", "use the option U to change the owner of the source instead")
	in.Host = Host{Runtime: "runc", CgroupMode: CgroupNone}
	_, err = Generate(in)
	wantError(t, err, "cannot mount /d with idmap: only crun knows that option", "use --runtime crun")
	in.Host.Runtime = "crun"
	_, err = Generate(in)
	wantError(t, err, "cannot mount /d with idmap: the container has no user namespace of its own", "")
	in.Spec.Isolation.Mapping = &spec.IDMapping{UIDs: subordinate(), GIDs: subordinate()}
	if m := mountAt(generateOK(t, in), "/d"); !slices.Contains(m.Options, "idmap") {
		t.Errorf("%v", m)
	}
	in.Mounts[0].IDMap = ptr("uids=0-1-10;gids=0-1-10")
	if m := mountAt(generateOK(t, in), "/d"); !slices.Contains(m.Options, "idmap=uids=0-1-10;gids=0-1-10") {
		t.Errorf("%v", m)
	}
}

func TestCorner26KeepGroups(t *testing.T) {
	in := with(func(in *Input) {
		in.Spec.Process.Groups = []string{"keep-groups"}
		in.User.Groups = []uint32{7}
	})
	config := generateOK(t, in)
	if config.Annotations["run.oci.keep_original_groups"] != "1" || len(config.Process.User.AdditionalGids) != 0 {
		t.Errorf("%v %v", config.Annotations, config.Process.User)
	}
	in.Host.Runtime = "runc"
	_, err := Generate(in)
	wantError(t, err, "cannot use --group-add keep-groups: only crun can keep the caller's groups", "use --runtime crun")
}

func TestCorner26Home(t *testing.T) {
	for home, want := range map[string]string{"/var/www": "HOME=/var/www", "": "HOME=/"} {
		if env := generateOK(t, with(func(in *Input) { in.User.Home = home })).Process.Env; !slices.Contains(env, want) {
			t.Errorf("%v lacks %s", env, want)
		}
	}
	if env := generateOK(t, with(func(in *Input) { in.Spec.Process.Env = map[string]string{"HOME": "/mine"} })).Process.Env; !slices.Contains(env, "HOME=/mine") || slices.Contains(env, "HOME=/root") {
		t.Errorf("%v", env)
	}
}

func TestCorner26PrimaryGroupStays(t *testing.T) {
	in := with(func(in *Input) {
		in.User, in.Spec.Process.User = User{UID: 33, GID: 44, Groups: []uint32{5, 44}}, "33:44"
	})
	if got := fmt.Sprint(generateOK(t, in).Process.User.AdditionalGids); got != "[44 5]" {
		t.Errorf("groups are %s", got)
	}
	if got := generateOK(t, sample()).Process.User.AdditionalGids; len(got) != 0 {
		t.Errorf("root got groups %v", got)
	}
}

func TestCorner27EntrypointMerge(t *testing.T) {
	image := &v1.ImageConfig{Entrypoint: []string{"/entry"}, Cmd: []string{"serve", "-v"}}
	for name, c := range map[string]struct {
		entrypoint *[]string
		command    []string
		image      *v1.ImageConfig
		want       string
	}{
		"image only":                  {nil, nil, image, "/entry serve -v"},
		"command replaces CMD":        {nil, []string{"x"}, image, "/entry x"},
		"entrypoint drops CMD":        {&[]string{"/e", "-a"}, nil, image, "/e -a"},
		"both":                        {&[]string{"/e"}, []string{"x"}, image, "/e x"},
		"cleared, with command":       {&[]string{}, []string{"x"}, image, "x"},
		"cleared as an empty word":    {&[]string{""}, []string{"x"}, image, "x"},
		"cleared, nothing left":       {&[]string{}, nil, image, ""},
		"no image":                    {nil, []string{"x", "y"}, nil, "x y"},
		"nothing at all":              {nil, nil, nil, ""},
		"ENTRYPOINT of one empty":     {nil, nil, &v1.ImageConfig{Entrypoint: []string{""}, Cmd: []string{"c"}}, "c"},
		"CMD alone":                   {nil, nil, &v1.ImageConfig{Cmd: []string{"c"}}, "c"},
		"command with entrypointless": {nil, []string{"x"}, &v1.ImageConfig{Cmd: []string{"c"}}, "x"},
	} {
		got, err := Args(&spec.Container{Process: spec.Process{Entrypoint: c.entrypoint, Command: c.command}}, c.image)
		if (err != nil) != (c.want == "") || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
		if err != nil && err.Error() != "no command or entrypoint provided, and no CMD or ENTRYPOINT from image" {
			t.Error(err)
		}
	}
	if image.Cmd[0] != "serve" {
		t.Error("the image was changed")
	}
}

func TestCorner27WorkDir(t *testing.T) {
	for _, c := range []struct{ asked, image, want string }{{"", "", "/"}, {"", "/srv/", "/srv"}, {"/w", "/srv", "/w"}, {"", "rel", "/rel"}} {
		got := WorkDir(&spec.Container{Process: spec.Process{WorkDir: c.asked}}, &v1.ImageConfig{WorkingDir: c.image})
		if got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func TestCorner29EnvPrecedence(t *testing.T) {
	base := func(in *Input) {
		in.Image.Env = []string{"PATH=/image", "A=image", "B=image", "EMPTY", "http_proxy=image"}
		in.Spec.Process.Env = map[string]string{"B": "user", "C": "user"}
		in.ExtraEnv = map[string]string{"C": "secret"}
		in.Spec.Process.HTTPProxy = true
		in.Host.Env = []string{"http_proxy=host", "HTTPS_PROXY=host", "A=host", "no_proxy=a=b"}
	}
	for name, c := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"all": {base, "PATH=/image container=podman http_proxy=image HTTPS_PROXY=host no_proxy=a=b A=image B=user EMPTY= C=secret HOME=/root HOSTNAME=0123456789ab"},
		"terminal": {func(in *Input) { base(in); in.Spec.Process.Terminal, in.Spec.Process.HTTPProxy = true, false },
			"PATH=/image container=podman TERM=xterm A=image B=user EMPTY= http_proxy=image C=secret HOME=/root HOSTNAME=0123456789ab"},
		"unset": {func(in *Input) {
			base(in)
			in.Spec.Process.UnsetEnv = []string{"PATH", "B", "http_proxy", "HTTPS_PROXY", "no_proxy"}
		},
			"container=podman A=image EMPTY= B=user C=secret HOME=/root HOSTNAME=0123456789ab"},
		"unset all": {func(in *Input) { base(in); in.Spec.Process.UnsetEnvAll = true },
			"B=user C=secret HOME=/root HOSTNAME=0123456789ab"},
		"no image": {func(in *Input) { in.Image, in.Spec.Process.Command = nil, []string{"x"} },
			"PATH=" + defaultPath + " container=podman HOME=/root HOSTNAME=0123456789ab"},
	} {
		if got := strings.Join(generateOK(t, with(c.change)).Process.Env, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestCorner30Annotations(t *testing.T) {
	config := generateOK(t, with(func(in *Input) {
		in.Spec.Remove, in.Spec.Network.PublishAll, in.Spec.Process.StopSignal = true, true, "USR1"
		in.Spec.Annotations = map[string]string{"io.container.manager": "mine", "x": "y"}
	}))
	for key, want := range map[string]string{
		"io.podman.annotations.autoremove": "TRUE", "io.podman.annotations.publish-all": "TRUE", "io.podman.annotations.init": "FALSE",
		"io.podman.annotations.privileged": "FALSE", "org.opencontainers.image.stopSignal": "10", "io.container.manager": "mine", "x": "y",
	} {
		if got := config.Annotations[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestCorner31Sysctl(t *testing.T) {
	sysctl := func(key string, more func(*Input)) (*rspec.Spec, error) {
		return Generate(with(func(in *Input) {
			in.Spec.Resources.Sysctl = map[string]string{key: "1"}
			more(in)
		}))
	}
	none := func(*Input) {}
	for _, key := range []string{"net.ipv4.ip_forward", "kernel.msgmax", "fs.mqueue.msg_max", "kernel.shm_rmid_forced"} {
		if config, err := sysctl(key, none); err != nil || config.Linux.Sysctl[key] != "1" {
			t.Errorf("%s: %v", key, err)
		}
	}
	_, err := sysctl("vm.swappiness", none)
	wantError(t, err, "sysctl 'vm.swappiness' is not allowed",
		"only net.*, fs.mqueue.* and the kernel's shared memory, semaphore and message limits belong to a container")
	_, err = sysctl("net.core.somaxconn", func(in *Input) { in.Spec.Network.Mode = "host" })
	wantError(t, err, "sysctl net.core.somaxconn=1 can't be set since Network Namespace set to host", "")
	_, err = sysctl("kernel.sem", func(in *Input) { in.Namespaces.IPCHost, in.Spec.Isolation.IPC = true, "container:x" })
	wantError(t, err, "sysctl kernel.sem=1 can't be set since IPC Namespace set to host", "")
}

func TestCorner31PingGroupRange(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"default":          {func(*Input) {}, "0 0"},
		"asked":            {func(in *Input) { in.Spec.Resources.Sysctl = map[string]string{pingRange: "5 5"} }, "5 5"},
		"host network":     {func(in *Input) { in.Spec.Network.Mode = "host" }, ""},
		"somebody else's":  {func(in *Input) { in.Spec.Network.Mode = "container:x" }, ""},
		"gid 0 not mapped": {func(in *Input) { in.Host.GIDs, in.User.GID = []spec.IDMap{{Container: 1, Host: 1, Size: 9}}, 1 }, ""},
		"made outside its user namespace": {func(in *Input) {
			in.Spec.Isolation.Mapping = &spec.IDMapping{UIDs: subordinate(), GIDs: subordinate()}
		}, ""},
		"made inside its user namespace": {func(in *Input) {
			in.Spec.Isolation.Mapping, in.Namespaces.Net = &spec.IDMapping{UIDs: subordinate(), GIDs: subordinate()}, ""
		}, "0 0"},
	} {
		if got := generateOK(t, with(c.change)).Linux.Sysctl[pingRange]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func rlimitsOf(config *rspec.Spec) string {
	var list []string
	for _, l := range config.Process.Rlimits {
		list = append(list, fmt.Sprintf("%s=%d:%d", strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_")), l.Soft, l.Hard))
	}
	return strings.Join(list, " ")
}

func TestCorner32Ulimits(t *testing.T) {
	for name, c := range map[string]struct {
		ulimits []string
		root    bool
		want    string
	}{
		"defaults, clamped":     {nil, false, "nofile=1024:20000 nproc=5000:5000"},
		"defaults of root":      {nil, true, "nofile=1048576:1048576 nproc=4194304:4194304"},
		"asked":                 {[]string{"nofile=10:20", "core=0"}, false, "nofile=10:20 core=0:0 nproc=5000:5000"},
		"too high, clamped":     {[]string{"nofile=-1", "nproc=10:-1"}, false, "nofile=20000:20000 nproc=10:5000"},
		"too high, root":        {[]string{"nofile=1048576"}, true, "nofile=1048576:1048576 nproc=4194304:4194304"},
		"host leaves all alone": {[]string{"host"}, false, ""},
		"unlimited":             {[]string{"core=-1"}, false, "core=18446744073709551615:18446744073709551615 nofile=1024:20000 nproc=5000:5000"},
	} {
		config := generateOK(t, with(func(in *Input) {
			in.Spec.Resources.Ulimits = c.ulimits
			in.Host.Rootless = !c.root
		}))
		if got := rlimitsOf(config); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
	config := generateOK(t, with(func(in *Input) {
		in.Spec.Resources.Ulimits = []string{"nproc=7"}
		in.Spec.Resources.DefaultUlimits = []string{"nofile=1048576", "nproc=1048576", "memlock=-1"}
	}))
	if got, want := rlimitsOf(config), "nproc=7:7 nofile=20000:20000 memlock=65536:65536"; got != want {
		t.Errorf("limits of containers.conf: got %s, want %s", got, want)
	}
	_, err := Generate(with(func(in *Input) { in.Spec.Resources.Ulimits = []string{"nofile=20001"} }))
	wantError(t, err, "cannot raise --ulimit nofile to 20001: the account's hard limit is 20000",
		"raise it for the account in /etc/security/limits.conf, or use --ulimit host")
	_, err = Generate(with(func(in *Input) { in.Spec.Resources.Ulimits = []string{"memlock=-1"} }))
	wantError(t, err, "cannot raise --ulimit memlock to unlimited: the account's hard limit is 65536",
		"raise it for the account in /etc/security/limits.conf, or use --ulimit host")
}

func TestCorner33OOMScore(t *testing.T) {
	low := with(func(in *Input) { in.Spec.Resources.OOMScoreAdj, in.Host.OOMScoreAdj = ptr(-5), 200 })
	_, err := Generate(low)
	wantError(t, err, "cannot set --oom-score-adj to -5: carob runs with 200 and only root may go below its own", "")
	low.Host.Rootless = false
	if got := generateOK(t, low).Process.OOMScoreAdj; got == nil || *got != -5 {
		t.Errorf("score is %v", got)
	}
	if got := generateOK(t, sample()).Process.OOMScoreAdj; got != nil {
		t.Errorf("score is %v without being asked for", *got)
	}
}

func TestCorner34Masks(t *testing.T) {
	masked := func(s spec.Security) (masks, readonly []string, cgroup string) {
		config := generateOK(t, with(func(in *Input) { in.Spec.Security = s }))
		return config.Linux.MaskedPaths, config.Linux.ReadonlyPaths, mountAt(config, "/sys/fs/cgroup").Options[5]
	}
	masks, readonly, cgroup := masked(spec.Security{})
	if !slices.Contains(masks, "/proc/kcore") || !slices.Contains(readonly, "/proc/sys") || cgroup != "ro" {
		t.Error(masks, readonly, cgroup)
	}
	for _, s := range []spec.Security{{Privileged: true}, {Unmask: []string{"all"}}} {
		if masks, readonly, cgroup := masked(s); len(masks)+len(readonly) != 0 || cgroup != "rw" {
			t.Error(s, masks, readonly, cgroup)
		}
	}
	masks, readonly, _ = masked(spec.Security{Unmask: []string{"/proc/kcore:/proc/s*"}, Mask: []string{"/a:/b"}})
	if slices.Contains(masks, "/proc/kcore") || slices.Contains(masks, "/proc/scsi") || slices.Contains(readonly, "/proc/sys") ||
		!slices.Contains(masks, "/proc/acpi") || !slices.Contains(masks, "/b") {
		t.Error(masks, readonly)
	}
	if masks, _, cgroup := masked(spec.Security{Unmask: []string{"/sys/fs/cgroup"}}); cgroup != "rw" || !slices.Contains(masks, "/proc/kcore") {
		t.Error(masks, cgroup)
	}
}

func TestCorner34HostNetworkSysfs(t *testing.T) {
	in := with(func(in *Input) { in.Spec.Network.Mode = "host" })
	config := generateOK(t, in)
	if m := mountAt(config, "/sys"); m.Type != "bind" || m.Source != "/sys" || !slices.Contains(m.Options, "rbind") || !slices.Contains(m.Options, "ro") {
		t.Errorf("%v", m)
	}
	if mountAt(config, "/sys/fs/cgroup") != nil || !slices.Contains(config.Linux.MaskedPaths, "/sys/kernel") {
		t.Error("a bound /sys needs no cgroup mount, and more masks")
	}
	in.Host.Rootless = false
	if m := mountAt(generateOK(t, in), "/sys"); m.Type != "sysfs" {
		t.Errorf("as root: %v", m)
	}
	in.Namespaces.Net, in.Spec.Network.Mode, in.Spec.Isolation.Mapping = "", "none", &spec.IDMapping{UIDs: subordinate(), GIDs: subordinate()}
	if m := mountAt(generateOK(t, in), "/sys"); m.Type != "sysfs" {
		t.Errorf("with ids of its own: %v", m)
	}
	in.Host.Runtime = "runc"
	if m := mountAt(generateOK(t, in), "/sys"); m.Type != "bind" {
		t.Errorf("with ids of its own and runc: %v", m)
	}
}

func TestCorner35Devices(t *testing.T) {
	in := with(func(in *Input) {
		in.Devices = []hostdev.Device{
			{Source: "/dev/fuse", Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Mode: 0o666, Perms: "rw"},
			{Source: "/dev/sda", Path: "/dev/disk", Type: "b", Major: 8, Perms: "r"},
			{Source: "/dev/null", Path: "/dev/null", Type: "c", Major: 1, Minor: 3, Perms: "rwm"},
		}
	})
	config := generateOK(t, in)
	if m := mountAt(config, "/dev/fuse"); m == nil || m.Type != "bind" || slices.Contains(m.Options, "ro") || len(config.Linux.Devices) != 0 {
		t.Errorf("%v, %v", m, config.Linux.Devices)
	}
	if m := mountAt(config, "/dev/disk"); m == nil || m.Source != "/dev/sda" || !slices.Contains(m.Options, "ro") {
		t.Errorf("%v", m)
	}
	if mountAt(config, "/dev/null") != nil {
		t.Error("a node every runtime makes was bound as well")
	}
	in.Host.Rootless, in.Host.CgroupMode = false, CgroupFS
	config = generateOK(t, in)
	if len(config.Linux.Devices) != 2 || len(config.Linux.Resources.Devices) != 3 || config.Linux.Resources.Devices[0].Allow || config.Linux.Resources.Devices[2].Access != "r" {
		t.Errorf("as root: %+v %+v", config.Linux.Devices, config.Linux.Resources)
	}
	rule := with(func(in *Input) { in.Spec.Resources.DeviceCgroupRule = []string{"c 1:3 r"} })
	_, err := Generate(rule)
	wantError(t, err, "cannot use --device-cgroup-rule: device rules are not supported in rootless mode", "")
}

// action is what the profile does with a call made without arguments of note.
func action(s *rspec.LinuxSeccomp, call string) string {
	for _, rule := range s.Syscalls {
		if slices.Contains(rule.Names, call) && len(rule.Args) == 0 {
			if rule.ErrnoRet != nil {
				return fmt.Sprintf("errno %d", *rule.ErrnoRet)
			}
			return string(rule.Action)
		}
	}
	return fmt.Sprintf("errno %d", *s.DefaultErrnoRet)
}

func TestCorner36SeccompFollowsCapabilities(t *testing.T) {
	plain := generateOK(t, sample()).Linux.Seccomp
	const allow, noSuchCall, notPermitted = "SCMP_ACT_ALLOW", "errno 38", "errno 1"
	for call, want := range map[string]string{
		"read": allow, "clone3": allow, "unshare": allow, "mount": allow, "chroot": allow,
		"init_module": notPermitted, "kexec_load": notPermitted, "bpf": notPermitted, "settimeofday": notPermitted, "reboot": notPermitted,
		"call_of_the_future": noSuchCall,
	} {
		if got := action(plain, call); got != want {
			t.Errorf("%s: %s, want %s", call, got, want)
		}
	}
	more := generateOK(t, with(func(in *Input) { in.Spec.Security.CapAdd = []string{"SYS_ADMIN", "SYS_MODULE", "SYS_TIME"} })).Linux.Seccomp
	for _, call := range []string{"bpf", "init_module", "settimeofday", "mount"} {
		if got := action(more, call); got != allow {
			t.Errorf("%s with its capability: %s", call, got)
		}
	}
	less := generateOK(t, with(func(in *Input) { in.Spec.Security.CapDrop = []string{"SYS_CHROOT"} })).Linux.Seccomp
	if got := action(less, "chroot"); got != notPermitted {
		t.Errorf("chroot without its capability: %s", got)
	}
}

func TestCorner36SeccompProfiles(t *testing.T) {
	if s := generateOK(t, with(func(in *Input) { in.Spec.Security.Seccomp = "unconfined" })).Linux.Seccomp; s != nil {
		t.Error("unconfined has a filter")
	}
	if s := generateOK(t, with(func(in *Input) { in.Spec.Security.Privileged = true })).Linux.Seccomp; s != nil {
		t.Error("privileged has a filter")
	}
	own := with(func(in *Input) {
		in.Spec.Security = spec.Security{Seccomp: "/p.json", Privileged: true}
		in.SeccompProfile = []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"},{"names":["bpf"],"action":"SCMP_ACT_LOG","includes":{"caps":["CAP_NO"]}}]}`)
	})
	if s := generateOK(t, own).Linux.Seccomp; s == nil || s.DefaultAction != "SCMP_ACT_ALLOW" || len(s.Syscalls) != 1 {
		t.Errorf("own profile: %v", s)
	}
	for _, bad := range []string{"{", "", `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}],"syscalls":[]}`} {
		own.SeccompProfile = []byte(bad)
		if _, err := Generate(own); err == nil || !strings.HasPrefix(err.Error(), "cannot use seccomp profile /p.json: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCorner37Labels(t *testing.T) {
	_, err := Generate(with(func(in *Input) { in.Spec.Security.AppArmor = "foo" }))
	wantError(t, err, `apparmor profile "foo" specified, but Apparmor is not enabled on this system`, "")
	_, err = Generate(with(func(in *Input) { in.Spec.Security.AppArmor, in.Host.AppArmor = "foo", true }))
	wantError(t, err, `cannot use apparmor profile "foo": only root may apply one`, "")
	_, err = Generate(with(func(in *Input) { in.Spec.Security.Label = []string{"type:x_t"} }))
	wantError(t, err, "cannot set --security-opt label=type:x_t: SELinux is not enabled on this system", "")
	_, err = Generate(with(func(in *Input) {
		in.Spec.Security.Label, in.Host.SELinux, in.Host.Runtime = []string{"nested"}, true, "runc"
	}))
	wantError(t, err, "cannot set --security-opt label=nested: only crun can let a container label its files", "use --runtime crun")
	config := generateOK(t, with(func(in *Input) {
		in.Spec.Security = spec.Security{Label: []string{"disable"}, AppArmor: "unconfined"}
	}))
	if config.Process.ApparmorProfile != "" || config.Process.SelinuxLabel != "" {
		t.Error(config.Process)
	}
	config = generateOK(t, with(func(in *Input) {
		in.Host = Host{AppArmor: true, SELinux: true, CgroupMode: CgroupNone}
		in.Spec.Security.AppArmor = "foo"
	}))
	if config.Process.ApparmorProfile != "foo" || config.Process.SelinuxLabel != "" || config.Linux.MountLabel != "" {
		t.Error(config.Process, config.Linux.MountLabel)
	}
	made := func(in *Input) {
		in.Spec.Security.SELinux = &spec.SELinuxLabels{Process: "u:r:container_t:s0:c1,c2", Mount: "u:object_r:container_file_t:s0:c1,c2"}
	}
	config = generateOK(t, with(made)) // SELinux was switched off since
	if config.Process.SelinuxLabel != "" || config.Linux.MountLabel != "" {
		t.Error(config.Process.SelinuxLabel, config.Linux.MountLabel)
	}
	config = generateOK(t, with(func(in *Input) { made(in); in.Host.SELinux = true }))
	if config.Process.SelinuxLabel != "u:r:container_t:s0:c1,c2" || config.Linux.MountLabel != "u:object_r:container_file_t:s0:c1,c2" {
		t.Error(config.Process.SelinuxLabel, config.Linux.MountLabel)
	}
	if !slices.Contains(config.Linux.MaskedPaths, "/sys/fs/selinux") || config.Annotations["run.oci.mount_context_type"] != "" {
		t.Error("an ordinary container sees the policy")
	}
}

func TestCorner38UnmappedIDs(t *testing.T) {
	_, err := Generate(with(func(in *Input) { in.User.UID = 70000 }))
	wantError(t, err, "cannot use uid 70000 (--user): only 65537 uids exist inside the container",
		"give the account more ids in /etc/subuid, then run 'carob system migrate'")
	_, err = Generate(with(func(in *Input) {
		in.User.Groups, in.Spec.Process.Groups = []uint32{70000}, []string{"70000"}
	}))
	wantError(t, err, "cannot use gid 70000 (--group-add): only 65537 gids exist inside the container",
		"give the account more ids in /etc/subgid, then run 'carob system migrate'")
	config := generateOK(t, with(func(in *Input) { in.User.Groups = []uint32{70000, 5} }))
	if got := fmt.Sprint(config.Process.User.AdditionalGids); got != "[5]" {
		t.Errorf("groups %s: those of /etc/group that do not exist here are left out", got)
	}
	single := with(func(in *Input) { in.Host.UIDs, in.Host.GIDs = subordinate()[:1], subordinate()[:1] })
	if m := mountAt(generateOK(t, single), "/dev/pts"); slices.Contains(m.Options, "gid=5") {
		t.Error("gid 5 does not exist with a single id")
	}
}

func TestCorner41Limits(t *testing.T) {
	limited := func(change func(*Input)) error {
		return CheckHost(with(change).Spec, with(change).Host)
	}
	err := limited(func(in *Input) {
		in.Spec.Resources = spec.Resources{Memory: "1g", MemorySwap: "2g"}
		in.Host.CgroupReason, in.Host.CgroupVersion = "cgroups are v1 here", 1
	})
	wantError(t, err, "cannot use --memory, --memory-swap: cgroups are v1 here",
		"limits for an unprivileged account need cgroup v2: boot with systemd.unified_cgroup_hierarchy=1")
	err = limited(func(in *Input) { in.Spec.Resources.CPUs = 1 })
	wantError(t, err, "cannot use --cpus: this account has no cgroup of its own",
		"log in through systemd (a user session), or run 'loginctl enable-linger' for the account")
	err = limited(func(in *Input) {
		in.Spec.Resources.CPUSetCPUs, in.Host.CgroupMode, in.Host.Controllers = "0", CgroupBySystem, []string{"memory", "pids", "cpu"}
	})
	wantError(t, err, "cannot use --cpuset-cpus: the cgroup controller cpuset is not delegated to this account", delegateHint("cpuset"))
	err = limited(func(in *Input) {
		in.Spec.Resources.Memory, in.Spec.Resources.Cgroups, in.Host.CgroupMode = "1g", "disabled", CgroupFS
	})
	wantError(t, err, "cannot use --memory: --cgroups=disabled leaves no cgroup to limit", "")
	err = limited(func(in *Input) {
		in.Spec.Resources.OOMKillDisable, in.Host.CgroupMode, in.Host.Controllers = true, CgroupFS, []string{"memory"}
	})
	wantError(t, err, "cannot use --oom-kill-disable: cgroup v2 has no such switch", "")
	if err := limited(func(in *Input) { in.Spec.Resources.PidsLimit = ptr(int64(-1)) }); err != nil {
		t.Errorf("no limit is no limit: %v", err)
	}
}

func TestCorner41NoCgroup(t *testing.T) {
	for _, version := range []int{1, 2} {
		config := generateOK(t, with(func(in *Input) { in.Host.CgroupVersion = version }))
		if config.Linux.Resources != nil || config.Linux.CgroupsPath != "" {
			t.Errorf("v%d: %v %q", version, config.Linux.Resources, config.Linux.CgroupsPath)
		}
		if has := mountAt(config, "/sys/fs/cgroup") != nil; has != (version == 2) {
			t.Errorf("v%d: cgroup mount %v", version, has)
		}
	}
}

func TestCorner41CgroupPath(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"systemd":         {func(in *Input) { in.Host.CgroupMode = CgroupBySystem }, "user.slice:carob:" + testID},
		"systemd, root":   {func(in *Input) { in.Host.CgroupMode, in.Host.Rootless = CgroupBySystem, false }, "machine.slice:carob:" + testID},
		"systemd, parent": {func(in *Input) { in.Host.CgroupMode, in.Spec.Resources.CgroupParent = CgroupBySystem, "my.slice" }, "my.slice:carob:" + testID},
		"systemd, pod":    {func(in *Input) { in.Host.CgroupMode, in.CgroupParent = CgroupBySystem, "/user.slice/pod.slice" }, "pod.slice:carob:" + testID},
		"cgroupfs":        {func(in *Input) { in.Host.CgroupMode = CgroupFS }, "/carob/carob-" + testID},
		"cgroupfs, own":   {func(in *Input) { in.Host.CgroupMode, in.Host.CgroupParent = CgroupFS, "/user/me" }, "/user/me/carob-" + testID},
		"split": {func(in *Input) {
			in.Host.CgroupMode, in.Host.OwnCgroup, in.Spec.Resources.Cgroups = CgroupFS, "/u.service", "split"
		}, "/u.service/carob-payload-" + testID},
		"disabled": {func(in *Input) { in.Host.CgroupMode, in.Spec.Resources.Cgroups = CgroupFS, "disabled" }, ""},
	} {
		if got := generateOK(t, with(c.change)).Linux.CgroupsPath; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	_, err := Generate(with(func(in *Input) { in.Host.CgroupMode, in.CgroupParent = CgroupBySystem, "/foo" }))
	wantError(t, err, "cannot use cgroup parent /foo: systemd needs the name of a slice (NAME.slice)", "")
}

func TestJoinedNamespaces(t *testing.T) {
	for _, mode := range []string{"container:x", "ns:/p", "pod"} {
		_, err := Generate(with(func(in *Input) { in.Spec.Isolation.PID = mode }))
		if err == nil || !strings.Contains(err.Error(), "--pid "+mode) {
			t.Errorf("%s not looked up: %v", mode, err)
		}
	}
	config := generateOK(t, with(func(in *Input) {
		in.Spec.Isolation = spec.Isolation{PID: "container:x", IPC: "pod", UTS: "ns:/u", Cgroup: "container:x", User: "container:x"}
		in.Namespaces = Namespaces{PID: "/1/pid", IPC: "/1/ipc", UTS: "/u", Cgroup: "/1/cgroup", User: "/1/user", NetHost: true}
		in.Spec.Network.Mode = "container:x"
		in.Files.Shm = "/run/x/shm"
	}))
	var got []string
	for _, n := range config.Linux.Namespaces {
		got = append(got, string(n.Type)+"="+n.Path)
	}
	if want := "mount= pid=/1/pid ipc=/1/ipc uts=/u cgroup=/1/cgroup user=/1/user"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if config.Hostname != "" || mountAt(config, "/dev/shm").Source != "/run/x/shm" {
		t.Error("the hostname and /dev/shm are the other's")
	}
}

func TestCapabilities(t *testing.T) {
	for name, c := range map[string]struct {
		s                              spec.Security
		uid                            uint32
		bounding, effective, inherited int
	}{
		"root":                {spec.Security{}, 0, 11, 11, 0},
		"user":                {spec.Security{}, 1000, 11, 0, 0},
		"user with one added": {spec.Security{CapAdd: []string{"net_raw"}}, 1000, 12, 1, 1},
		"privileged":          {spec.Security{Privileged: true}, 0, 41, 41, 0},
		"privileged user":     {spec.Security{Privileged: true, CapAdd: []string{"kill"}}, 7, 41, 0, 0},
		"all but one":         {spec.Security{CapAdd: []string{"ALL"}, CapDrop: []string{"kill"}}, 0, 40, 40, 0},
		"all of a user":       {spec.Security{CapAdd: []string{"all"}, CapDrop: []string{"kill"}}, 7, 40, 40, 40},
		"one alone":           {spec.Security{CapAdd: []string{"CAP_KILL"}, CapDrop: []string{"all"}}, 0, 1, 1, 0},
		"none":                {spec.Security{CapDrop: []string{"all"}}, 0, 0, 0, 0},
	} {
		caps := generateOK(t, with(func(in *Input) { in.Spec.Security, in.User.UID = c.s, c.uid })).Process.Capabilities
		if len(caps.Bounding) != c.bounding || len(caps.Effective) != c.effective || len(caps.Permitted) != c.effective ||
			len(caps.Inheritable) != c.inherited || len(caps.Ambient) != c.inherited {
			t.Errorf("%s: %+v", name, caps)
		}
	}
	for words, s := range map[string]spec.Security{
		`"CAP_FOO": unknown capability`:                     {CapAdd: []string{"foo"}},
		`"CAP_BAR": unknown capability`:                     {CapDrop: []string{"bar"}},
		`capability "CAP_KILL" cannot be dropped and added`: {CapAdd: []string{"kill"}, CapDrop: []string{"CAP_KILL"}},
		`adding all caps and removing all caps not allowed`: {CapAdd: []string{"all"}, CapDrop: []string{"ALL"}},
	} {
		_, err := Generate(with(func(in *Input) { in.Spec.Security = s }))
		wantError(t, err, words, "")
	}
	few := with(func(in *Input) { in.Spec.Security.Privileged, in.Host.Capabilities = true, 0b111 })
	if got := generateOK(t, few).Process.Capabilities.Bounding; len(got) != 3 {
		t.Errorf("more than the host gives: %v", got)
	}
}
