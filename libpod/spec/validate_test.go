package spec

import (
	"strings"
	"testing"
	"time"
)

func number[T int | int64 | uint](n T) *T { return &n }

func TestValidateAccepts(t *testing.T) {
	for name, c := range map[string]Container{
		"empty": {},
		"full": {
			Name:   "a.b_c-1",
			Image:  "busybox",
			Remove: true,
			Process: Process{
				WorkDir: "/srv", Umask: "0077", StopSignal: "SIGRTMIN+3", Systemd: "true", SdNotify: "healthy", Init: true,
				Personality: "linux32", Groups: []string{"keep-groups"}, Env: map[string]string{"A": "b=c"},
				Secrets: []Secret{{Source: "s", Type: "mount", Mode: 0o400}},
			},
			Mounts: Mounts{
				List: []Mount{
					{Type: MountBind, Source: "/a", Destination: "/b"}, {Type: MountBind, Source: "/a", Destination: "/b/"},
					{Type: MountVolume, Destination: "/c"}, {Type: MountTmpfs, Destination: "/d"}, {Type: MountGlob, Source: "/x*"},
				},
				VolumesFrom: []string{"other", "third:ro,z"}, ShmSize: "1g", ImageVolume: "tmpfs",
			},
			Isolation: Isolation{User: "keep-id:uid=5", PID: "private", IPC: "shareable", Hostname: "web-1"},
			Resources: Resources{
				Memory: "1.5g", MemorySwap: "2g", MemoryReservation: "1g", CPUs: 1.5, CPUSetCPUs: "0-3,7", PidsLimit: number(int64(-1)),
				Ulimits: []string{"nofile=1:2", "core=-1"}, DeviceReadBPS: []string{"/dev/sda:1mb"}, BlkioWeight: 100,
				DeviceCgroupRule: []string{"c 1:* rwm"}, Sysctl: map[string]string{"net.core.somaxconn": "5"},
			},
			Network: Network{Mode: "pasta:-T,5000", Ports: []Port{{Container: 80, Range: 1, Protocol: "tcp"}}},
			Log:     Log{Driver: "k8s-file", Path: "/x", MaxSize: 5},
			Restart: Restart{Policy: RestartNo},
			Health:  &Health{Test: []string{"CMD", "true"}, Interval: HealthNever, Timeout: time.Second, OnFailure: "kill"},
		},
		"swap without end": {Resources: Resources{MemorySwap: "-1"}},
		"ulimit host":      {Resources: Resources{Ulimits: []string{"host"}}},
		"joined":           {Isolation: Isolation{PID: "container:abc", IPC: "ns:/proc/1/ns/ipc", UTS: "pod"}},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestValidateRefuses: the first words are what scripts may look for.
func TestValidateRefuses(t *testing.T) {
	bind := func(source, destination string, options ...string) Mount {
		return Mount{Type: MountBind, Source: source, Destination: destination, Options: options}
	}
	for words, c := range map[string]Container{
		`invalid --name "a b": names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*`: {Name: "a b"},
		`invalid --name "-a"`:                      {Name: "-a"},
		`an image and --rootfs`:                    {Image: "x", Rootfs: &Rootfs{Path: "/"}},
		`invalid --env: "A=B"`:                     {Process: Process{Env: map[string]string{"A=B": ""}}},
		`invalid --workdir "x"`:                    {Process: Process{WorkDir: "x"}},
		`the '--group-add keep-groups' option is`:  {Process: Process{Groups: []string{"5", "keep-groups"}}},
		`invalid --umask: invalid umask string 99`: {Process: Process{Umask: "99"}},
		`invalid --umask: invalid umask string 1`:  {Process: Process{Umask: "1000"}},
		`invalid --personality "BSD"`:              {Process: Process{Personality: "bsd"}},
		`invalid --systemd "maybe"`:                {Process: Process{Systemd: "maybe"}},
		`invalid --stop-signal: invalid signal: F`: {Process: Process{StopSignal: "FOO"}},
		`invalid --sdnotify "x"`:                   {Process: Process{SdNotify: "x"}},
		`cannot use --init with --systemd=always`:  {Process: Process{Init: true, Systemd: "always"}},
		`cannot add init binary as PID 1`:          {Process: Process{Init: true}, Isolation: Isolation{PID: "host"}},
		`--passwd=false and --passwd-entry`:        {Process: Process{NoPasswd: true, PasswdEntry: "x"}},
		`invalid --passwd-entry`:                   {Process: Process{PasswdEntry: "x\nroot2:x:0:0"}},
		`invalid mode of --secret s`:               {Process: Process{Secrets: []Secret{{Source: "s", Type: "mount", Mode: 0o70000}}}},
		`invalid mount destination "rel"`:          {Mounts: Mounts{List: []Mount{bind("/a", "rel")}}},
		`invalid mount destination /:`:             {Mounts: Mounts{List: []Mount{bind("/a", "/x/..")}}},
		`/b: duplicate mount destination`:          {Mounts: Mounts{List: []Mount{bind("/a", "/b"), bind("/c", "/b/")}}},
		`/t: duplicate mount destination`:          {Mounts: Mounts{List: []Mount{{Type: MountTmpfs, Destination: "/t"}, bind("/c", "/t")}}},
		`/o: duplicate mount destination`:          {Mounts: Mounts{List: []Mount{bind("/a", "/o", "ro"), bind("/a", "/o")}}},
		`invalid mount at /b: must set the source`: {Mounts: Mounts{List: []Mount{bind("", "/b")}}},
		`invalid mount at /b: invalid filesystem`:  {Mounts: Mounts{List: []Mount{{Type: "nfs", Destination: "/b"}}}},
		`invalid --image-volume "x"`:               {Mounts: Mounts{ImageVolume: "x"}},
		`invalid --volumes-from "c:exec"`:          {Mounts: Mounts{VolumesFrom: []string{"c:exec"}}},
		`invalid --volumes-from "c:ro,rw": cannot`: {Mounts: Mounts{VolumesFrom: []string{"c:ro,rw"}}},
		`unable to translate --shm-size: invalid`:  {Mounts: Mounts{ShmSize: "x"}},
		`cannot set --shm-size when running in`:    {Mounts: Mounts{ShmSize: "1m"}, Isolation: Isolation{IPC: "host"}},
		`--no-hosts and --add-host cannot be set`:  {Mounts: Mounts{NoHosts: true}, Network: Network{AddHosts: []string{"a:1.2.3.4"}}},
		`cannot set --hostname when running in`:    {Isolation: Isolation{UTS: "host", Hostname: "x"}},
		`invalid --hostname "a b"`:                 {Isolation: Isolation{Hostname: "a b"}},
		`invalid --pid "foo"`:                      {Isolation: Isolation{PID: "foo"}},
		`invalid --pid "keep-id"`:                  {Isolation: Isolation{PID: "keep-id"}},
		`invalid --ipc "container:"`:               {Isolation: Isolation{IPC: "container:"}},
		`invalid --uts "ns:x"`:                     {Isolation: Isolation{UTS: "ns:x"}},
		`--userns keep-id and --uidmap`:            {Isolation: Isolation{User: "keep-id", UIDMap: []string{"0:0:1"}}},
		`invalid --uidmap 5:0:1: overlaps`:         {Isolation: Isolation{Mapping: &IDMapping{UIDs: []IDMap{{0, 0, 10}, {5, 0, 1}}, GIDs: []IDMap{{0, 0, 1}}}}},
		`invalid --gidmap 0:0:0: the range`:        {Isolation: Isolation{Mapping: &IDMapping{GIDs: []IDMap{{0, 0, 0}}}}},
		`invalid --security-opt seccomp=x`:         {Security: Security{Seccomp: "x"}},
		`invalid --security-opt label=foo`:         {Security: Security{Label: []string{"foo"}}},
		`invalid --security-opt mask or unmask`:    {Security: Security{Unmask: []string{"all", "/x:y"}}},
		`invalid value for --memory: invalid`:      {Resources: Resources{Memory: "x"}},
		`--memory-swap needs --memory`:             {Resources: Resources{MemorySwap: "1g"}},
		`--memory-swap 1k is less than --memory`:   {Resources: Resources{Memory: "1m", MemorySwap: "1k"}},
		`--memory-reservation 2m is more than`:     {Resources: Resources{Memory: "1m", MemoryReservation: "2m"}},
		`invalid --memory-swappiness 101`:          {Resources: Resources{MemorySwappiness: number(int64(101))}},
		`--cpu-quota and --cpus cannot be set`:     {Resources: Resources{CPUs: 1, CPUQuota: 1000}},
		`--cpu-period and --cpus cannot be set`:    {Resources: Resources{CPUs: 1, CPUPeriod: 1000}},
		`invalid --cpus -1`:                        {Resources: Resources{CPUs: -1}},
		`invalid --cpu-period 1:`:                  {Resources: Resources{CPUPeriod: 1}},
		`invalid --cpuset-cpus "3-1"`:              {Resources: Resources{CPUSetCPUs: "3-1"}},
		`ulimit option "foo=1" requires`:           {Resources: Resources{Ulimits: []string{"foo=1"}}},
		`ulimit option "nofile=5:2" requires`:      {Resources: Resources{Ulimits: []string{"nofile=5:2"}}},
		`--ulimit host cannot be set together`:     {Resources: Resources{Ulimits: []string{"host", "core=1"}}},
		`invalid --pids-limit -2`:                  {Resources: Resources{PidsLimit: number(int64(-2))}},
		`invalid --oom-score-adj 1001`:             {Resources: Resources{OOMScoreAdj: number(1001)}},
		`invalid --blkio-weight 5`:                 {Resources: Resources{BlkioWeight: 5}},
		`invalid device-cgroup-rule "c 1:3"`:       {Resources: Resources{DeviceCgroupRule: []string{"c 1:3"}}},
		`invalid --device-read-bps: bad format`:    {Resources: Resources{DeviceReadBPS: []string{"sda:1"}}},
		`invalid --cgroups "x"`:                    {Resources: Resources{Cgroups: "x"}},
		`--cgroups=split and --cgroup-parent`:      {Resources: Resources{Cgroups: "split", CgroupParent: "/a"}},
		`invalid --cgroup-conf "../x"`:             {Resources: Resources{CgroupConf: map[string]string{"../x": "1"}}},
		`invalid --sysctl "kernel/x"`:              {Resources: Resources{Sysctl: map[string]string{"kernel/x": "1"}}},
		`conflicting options: dns and the network`: {Network: Network{Mode: "container:x", DNS: []string{"1.1.1.1"}}},
		`conflicting options: --publish and the`:   {Network: Network{Mode: "container:x", Ports: []Port{{Container: 1, Range: 1}}}},
		`invalid --publish: port 65535`:            {Network: Network{Ports: []Port{{Container: 65535, Range: 2}}}},
		`invalid --log-driver "x"`:                 {Log: Log{Driver: "x"}},
		`invalid --log-opt path`:                   {Log: Log{Driver: "none", Path: "/x"}},
		`--log-driver passthrough and --tty`:       {Log: Log{Driver: "passthrough"}, Process: Process{Terminal: true}},
		`the --rm option conflicts with --restart`: {Remove: true, Restart: Restart{Policy: RestartAlways}},
		`invalid --restart "x"`:                    {Restart: Restart{Policy: "x"}},
		`invalid --health-on-failure "x"`:          {Health: &Health{OnFailure: "x"}},
		`--health-on-failure restart and`:          {Health: &Health{OnFailure: "restart"}, Restart: Restart{Policy: RestartAlways}},
		`invalid --health-startup-...`:             {Startup: &Health{Timeout: -1}},
	} {
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), words) {
			t.Errorf("error\n  %v\nwant\n  %s", err, words)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "5": 5, "5b": 5, "1k": 1024, "1K": 1024, "1kb": 1024, "1KiB": 1024, "1.5g": 3 << 29, "2t": 2 << 40, "64 m": 64 << 20,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "-1", "1x", "k", "1mm", "1ib", "1e", "NaN", "9999999p", "0x10", "1kbb"} {
		if n, err := ParseSize(s); err == nil {
			t.Errorf("%q is %d", s, n)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]int{
		"9": 9, "KILL": 9, "SIGKILL": 9, "sigterm": 15, "RTMIN": 34, "SIGRTMIN+3": 37, "rtmax": 64, "RTMAX-14": 50, "37": 37,
	} {
		if got, err := ParseSignal(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "65", "-1", "FOO", "SIGSIGKILL", "RTMIN+", "RTMIN+31", "RTMAX-31", "RTMIN-1"} {
		if n, err := ParseSignal(s); err == nil {
			t.Errorf("%q is %d", s, n)
		}
	}
}

func TestCorner32ParseUlimit(t *testing.T) {
	for s, want := range map[string]Ulimit{
		"nofile=5": {"nofile", 5, 5}, "core=0:-1": {"core", 0, Unlimited}, "nproc=unlimited": {"nproc", Unlimited, Unlimited},
	} {
		if got, err := ParseUlimit(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "nofile", "nofile=", "nofile=a", "nofile=1:2:3", "NOFILE=1", "core=-1:5", "nofile=-2"} {
		if l, err := ParseUlimit(s); err == nil {
			t.Errorf("%q is %v", s, l)
		}
	}
}

func TestCorner20MergeMounts(t *testing.T) {
	own := []Mount{{Type: MountBind, Source: "/own", Destination: "/data/"}}
	from := []Mount{{Type: MountVolume, Source: "v", Destination: "/data"}, {Type: MountVolume, Source: "w", Destination: "/logs"}}
	got, err := MergeMounts(own, from, []string{"/logs", "/cache", "/"}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{Type: MountVolume, Destination: "/cache", Anonymous: true, FromImage: true},
		{Type: MountVolume, Source: "w", Destination: "/logs"},
		{Type: MountBind, Source: "/own", Destination: "/data"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i].Destination != want[i].Destination || got[i].Source != want[i].Source || got[i].FromImage != want[i].FromImage || got[i].Anonymous != want[i].Anonymous {
			t.Errorf("%d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	if got, _ := MergeMounts(nil, nil, []string{"/x"}, "ignore"); len(got) != 0 {
		t.Errorf("ignored volumes: %+v", got)
	}
	if got, _ := MergeMounts(nil, nil, []string{"/x"}, "tmpfs"); len(got) != 1 || got[0].Type != MountTmpfs {
		t.Errorf("tmpfs: %+v", got)
	}
}
