package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/config"
)

// parseContainer runs a command line's flags and arguments through the edge.
func parseContainer(t *testing.T, caller *callerFacts, args ...string) (*spec.Container, *containerOptions, error) {
	t.Helper()
	o := &containerOptions{}
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.SetInterspersed(false)
	addContainerFlags(f, o)
	if err := f.Parse(args); err != nil {
		return nil, o, err
	}
	c, err := o.spec(f.Args(), caller)
	return c, o, err
}

func testCaller() *callerFacts {
	return &callerFacts{environ: []string{"HOME=/root", "ED1=1", "ED2=2"}, argv: []string{"carob"}, conf: &config.Config{}}
}

// asked is what a command line asks for, as JSON, beyond what it does without
// any flag.
func asked(t *testing.T, c *spec.Container) string {
	t.Helper()
	base, _, err := parseContainer(t, testCaller(), "img")
	if err != nil {
		t.Fatal(err)
	}
	diff, _ := difference(asTree(t, c), asTree(t, base)).(map[string]any)
	delete(diff, "create_command")
	out, err := json.Marshal(diff)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func asTree(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// difference is what of a is not the same in b; nil when there is nothing.
func difference(a, b any) any {
	am, ok := a.(map[string]any)
	bm, ok2 := b.(map[string]any)
	if !ok || !ok2 {
		if reflect.DeepEqual(a, b) {
			return nil
		}
		return a
	}
	out := map[string]any{}
	for k, v := range am {
		if d := difference(v, bm[k]); d != nil {
			out[k] = d
		}
	}
	for k := range bm {
		if _, have := am[k]; !have {
			out[k] = nil
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func TestEveryFlagReachesTheSpec(t *testing.T) {
	dir := t.TempDir()
	write := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env, labels := write("env", "A=file\nB=file\nHOME\n"), write("labels", "a=file\nb=file\n")
	for line, want := range map[string]string{
		"--name x":                              `{"name":"x"}`,
		"--rm":                                  `{"remove":true}`,
		"--cidfile /c":                          `{"cid_file":"/c"}`,
		"--pidfile /p":                          `{"pid_file":"/p"}`,
		"--conmon-pidfile /p":                   `{"monitor_pid_file":"/p"}`,
		"--requires a,b":                        `{"requires":["a","b"]}`,
		"-l a -l b=c=d":                         `{"labels":{"a":"","b":"c=d"}}`,
		"--label-file " + labels + " -l a=flag": `{"labels":{"a":"flag","b":"file"}}`,
		"--annotation a=b,c=d":                  `{"annotations":{"a":"b","c":"d"}}`,
		"--restart always":                      `{"restart":{"policy":"always"}}`,
		"--restart on-failure:3":                `{"restart":{"max":3,"policy":"on-failure"}}`,
		"--entrypoint /bin/sh":                  `{"process":{"entrypoint":["/bin/sh"]}}`,
		`--entrypoint ["a","b"]`:                `{"process":{"entrypoint":["a","b"]}}`,
		"--entrypoint=":                         `{"process":{"entrypoint":[]}}`,
		"-w /w":                                 `{"process":{"workdir":"/w"}}`,
		"-u 1:2":                                `{"process":{"user":"1:2"}}`,
		"--group-add a,5":                       `{"process":{"groups":["a","5"]}}`,
		"-t":                                    `{"process":{"terminal":true}}`,
		"-i":                                    `{"process":{"stdin":true}}`,
		"--umask 077":                           `{"process":{"umask":"077"}}`,
		"--tz local":                            `{"process":{"timezone":"local"}}`,
		"--init --init-path /i":                 `{"process":{"init":true,"init_path":"/i"}}`,
		"--systemd always":                      `{"process":{"systemd":"always"}}`,
		"--passwd=false":                        `{"process":{"no_passwd":true}}`,
		"--passwd":                              `null`,
		"--passwd-entry x":                      `{"process":{"passwd_entry":"x"}}`,
		"--group-entry x":                       `{"process":{"group_entry":"x"}}`,
		"--hostuser a,b":                        `{"process":{"host_users":["a","b"]}}`,
		"--personality LINUX32":                 `{"process":{"personality":"LINUX32"}}`,
		"--preserve-fds 2":                      `{"process":{"preserve_fds":2}}`,
		"--preserve-fd 4,3":                     `{"process":{"preserve_fds":2}}`,
		"--secret s,type=env":                   `{"process":{"secrets":[{"source":"s","type":"env"}]}}`,
		"-e A=1 -e B -e ED* -e HOME":            `{"process":{"env":{"A":"1","ED1":"1","ED2":"2","HOME":"/root"}}}`,
		"-e A=flag --env-file " + env:           `{"process":{"env":{"A":"flag","B":"file","HOME":"/root"}}}`,
		"--env-host":                            `{"process":{"env":{"ED1":"1","ED2":"2","HOME":"/root"}}}`,
		"--env-merge A=${A}b":                   `{"process":{"env_merge":["A=${A}b"]}}`,
		"--unsetenv A --unsetenv-all":           `{"process":{"unset_env":["A"],"unset_env_all":true}}`,
		"--http-proxy=false":                    `{"process":{"http_proxy":null}}`,
		"--stop-signal RTMIN+3":                 `{"process":{"stop_signal":"RTMIN+3"}}`,
		"--stop-timeout 0":                      `{"process":{"stop_timeout":0}}`,
		"--timeout 5":                           `{"process":{"timeout":5}}`,
		"--sdnotify conmon":                     `{"process":{"sdnotify":"conmon"}}`,
		"-v v:/a:ro,z":                          `{"mounts":{"list":[{"destination":"/a","options":["ro"],"relabel":"z","source":"v","type":"volume"}]}}`,
		"-v /:/a":                               `{"mounts":{"list":[{"destination":"/a","source":"/","type":"bind"}]}}`,
		"--mount type=bind,src=/,dst=/b,ro --tmpfs /c:size=1m": `{"mounts":{"list":[{"destination":"/b","options":["ro"],"source":"/","type":"bind"},{"destination":"/c","options":["size=1m"],"type":"tmpfs"}]}}`,
		"--volumes-from a:ro":                   `{"mounts":{"volumes_from":["a:ro"]}}`,
		"--read-only":                           `{"mounts":{"read_only":true}}`,
		"--read-only-tmpfs=false":               `{"mounts":{"no_read_only_tmpfs":true}}`,
		"--shm-size 1g":                         `{"mounts":{"shm_size":"1g"}}`,
		"--image-volume tmpfs":                  `{"mounts":{"image_volume":"tmpfs"}}`,
		"--no-hosts":                            `{"mounts":{"no_hosts":true}}`,
		"--hosts-file none":                     `{"mounts":{"hosts_file":"none"}}`,
		"--no-hostname":                         `{"mounts":{"no_hostname":true}}`,
		"--device /dev/null:/dev/x:rw":          `{"mounts":{"devices":["/dev/null:/dev/x:rw"]}}`,
		"--chrootdirs /a,/b":                    `{"mounts":{"chroot_dirs":["/a","/b"]}}`,
		"--pid host":                            `{"isolation":{"pid":"host"}}`,
		"--ipc container:x":                     `{"isolation":{"ipc":"container:x"}}`,
		"--uts ns:/x":                           `{"isolation":{"uts":"ns:/x"}}`,
		"--cgroupns private":                    `{"isolation":{"cgroup":"private"}}`,
		"--userns keep-id:uid=1,gid=2":          `{"isolation":{"user":"keep-id:uid=1,gid=2"}}`,
		"--uidmap 0:1:5 --gidmap 0:1:5":         `{"isolation":{"gid_map":["0:1:5"],"uid_map":["0:1:5"]}}`,
		"--subuidname a --subgidname b":         `{"isolation":{"sub_gid":"b","sub_uid":"a"}}`,
		"-h host":                               `{"isolation":{"hostname":"host"}}`,
		"--privileged":                          `{"security":{"privileged":true}}`,
		"--cap-add a,b --cap-drop ALL":          `{"security":{"cap_add":["a","b"],"cap_drop":["ALL"]}}`,
		"--security-opt no-new-privileges":      `{"security":{"no_new_privileges":true}}`,
		"--security-opt no-new-privileges:true": `{"security":{"no_new_privileges":true}}`,
		"--security-opt seccomp=unconfined":     `{"security":{"seccomp":"unconfined"}}`,
		"--security-opt seccomp:unconfined":     `{"security":{"seccomp":"unconfined"}}`,
		"--security-opt seccomp=/p.json":        `{"security":{"seccomp":"/p.json"}}`,
		"--security-opt apparmor=x":             `{"security":{"apparmor":"x"}}`,
		"--security-opt label=type:x --security-opt label=disable": `{"security":{"label":["type:x","disable"]}}`,
		"--security-opt mask=/a:/b --security-opt unmask=ALL":      `{"security":{"mask":["/a:/b"],"unmask":["ALL"]}}`,
		"--security-opt systempaths=unconfined":                    `{"security":{"unmask":["ALL"]}}`,
		"--security-opt proc-opts=hidepid=2":                       `{"security":{"proc_opts":"hidepid=2"}}`,
		"--seccomp-policy image":                                   `{"security":{"seccomp_policy":"image"}}`,
		"-m 1g --memory-reservation 1m --memory-swap -1":           `{"resources":{"memory":"1g","memory_reservation":"1m","memory_swap":"-1"}}`,
		"--memory-swappiness 0":                                    `{"resources":{"memory_swappiness":0}}`,
		"--cpus 1.5":                                               `{"resources":{"cpus":1.5}}`,
		"-c 5":                                                     `{"resources":{"cpu_shares":5}}`,
		"--cpu-period 1000 --cpu-quota 2000":                       `{"resources":{"cpu_period":1000,"cpu_quota":2000}}`,
		"--cpu-rt-period 1 --cpu-rt-runtime 2":                     `{"resources":{"cpu_rt_period":1,"cpu_rt_runtime":2}}`,
		"--cpuset-cpus 0-3 --cpuset-mems 0":                        `{"resources":{"cpuset_cpus":"0-3","cpuset_mems":"0"}}`,
		"--pids-limit -1":                                          `{"resources":{"pids_limit":-1}}`,
		"--blkio-weight 10":                                        `{"resources":{"blkio_weight":10}}`,
		"--blkio-weight-device /dev/sda:10":                        `{"resources":{"blkio_weight_device":["/dev/sda:10"]}}`,
		"--device-read-bps /dev/a:1mb --device-write-bps /dev/a:1": `{"resources":{"device_read_bps":["/dev/a:1mb"],"device_write_bps":["/dev/a:1"]}}`,
		"--device-read-iops /dev/a:1 --device-write-iops /dev/a:1": `{"resources":{"device_read_iops":["/dev/a:1"],"device_write_iops":["/dev/a:1"]}}`,
		"--cgroup-conf memory.high=1":                              `{"resources":{"cgroup_conf":{"memory.high":"1"}}}`,
		"--cgroup-parent /x":                                       `{"resources":{"cgroup_parent":"/x"}}`,
		"--cgroups disabled":                                       `{"resources":{"cgroups":"disabled"}}`,
		"--oom-score-adj -5":                                       `{"resources":{"oom_score_adj":-5}}`,
		"--oom-kill-disable":                                       `{"resources":{"oom_kill_disable":true}}`,
		"--ulimit nofile=1:2,nproc=5":                              `{"resources":{"ulimits":["nofile=1:2","nproc=5"]}}`,
		"--sysctl net.a.b=1,net.c.d=2":                             `{"resources":{"sysctl":{"net.a.b":"1","net.c.d":"2"}}}`,
		"--rdt-class x":                                            `{"resources":{"rdt_class":"x"}}`,
		"--network none":                                           `{"network":{"mode":"none"}}`,
		"--net pasta:-t,80":                                        `{"network":{"mode":"pasta:-t,80"}}`,
		"--network a:ip=10.0.0.1 --network b --network-alias x":    `{"network":{"mode":"bridge","networks":[{"aliases":["x"],"ip":"10.0.0.1","name":"a"},{"aliases":["x"],"name":"b"}]}}`,
		"--network a --ip 10.0.0.1 --mac-address aa:bb:cc:dd:ee:ff --ip6 ::2": `{"network":{"mode":"bridge","networks":[{"ip":"10.0.0.1","ip6":"::2","mac":"aa:bb:cc:dd:ee:ff","name":"a"}]}}`,
		"-p 8080:80,53:53/udp":                             `{"network":{"ports":[{"container_port":80,"host_port":8080,"protocol":"tcp","range":1},{"container_port":53,"host_port":53,"protocol":"udp","range":1}]}}`,
		"-P --expose 80-81/udp":                            `{"network":{"expose":["80-81/udp"],"publish_all":true}}`,
		"--add-host a:1.2.3.4 --add-host b:host-gateway":   `{"network":{"add_hosts":["a:1.2.3.4","b:host-gateway"]}}`,
		"--dns 1.1.1.1 --dns-search x --dns-opt y":         `{"network":{"dns":["1.1.1.1"],"dns_options":["y"],"dns_search":["x"]}}`,
		"--log-driver none":                                `{"log":{"driver":"none"}}`,
		"--log-opt max-size=1m,max-file=3 --log-opt tag=x": `{"log":{"max_file":3,"max_size":1048576,"options":{"max-file":"3","max-size":"1m","tag":"x"},"tag":"x"}}`,
		"--log-opt path=/l":                                `{"log":{"options":{"path":"/l"},"path":"/l"}}`,
		"--no-healthcheck":                                 `{"health":{"test":["NONE"]}}`,
		"--health-cmd none":                                `{"health":{"test":["NONE"]}}`,
		"--health-cmd x --health-interval disable --health-timeout 2s --health-retries 4 --health-start-period 1m --health-on-failure kill": `{"health":{"interval":-1,"on_failure":"kill","retries":4,"start_period":60000000000,"test":["CMD-SHELL","x"],"timeout":2000000000}}`,
		"--healthcheck-interval 5s": `{"health":{"interval":5000000000,"test":null}}`,
		"--health-log-destination /tmp --health-max-log-count 2 --health-max-log-size 3":                                                        `{"health":{"log_destination":"/tmp","max_log_count":2,"max_log_size":3,"test":null}}`,
		"--health-startup-cmd x --health-startup-interval 1s --health-startup-timeout 2s --health-startup-retries 3 --health-startup-success 4": `{"startup_health":{"interval":1000000000,"retries":3,"successes":4,"test":["CMD-SHELL","x"],"timeout":2000000000}}`,
		"--disable-content-trust": `null`,
	} {
		t.Run(line, func(t *testing.T) {
			c, _, err := parseContainer(t, testCaller(), append(strings.Fields(line), "img")...)
			if err != nil {
				t.Fatal(err)
			}
			if got := asked(t, c); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestImageAndCommand(t *testing.T) {
	for line, want := range map[string]string{
		"img":                 `null`,
		"img a -b --name x":   `{"process":{"command":["a","-b","--name","x"]}}`,
		"--name n img -t":     `{"name":"n","process":{"command":["-t"]}}`,
		"--rootfs /root:O sh": `{"image":null,"process":{"command":["sh"]},"rootfs":{"overlay":true,"path":"/root"}}`,
	} {
		c, _, err := parseContainer(t, testCaller(), strings.Fields(line)...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := asked(t, c); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

func TestWrongFlagsAreOneLine(t *testing.T) {
	for _, line := range []string{
		"--restart foo", "--restart always --rm", "-v rel", "-v /nosuch:/x", "--mount type=foo,dst=/x", "--tmpfs x",
		"-v a:/x -v b:/x", "-p 99999:80", "-p a:b:c:d", "--ulimit foo", "--stop-signal foo", "--log-driver foo", "--log-opt foo=1",
		"--log-opt path", "--network host --network none", "--network host,none", "--ip 1.2.3.4", "--memory foo", "--security-opt foo",
		"--security-opt seccomp=", "--label =x", "-e =x", "--env-file /nosuch", "--label-file /nosuch", "--pid foo", "--userns foo",
		"--health-cmd x --no-healthcheck", "--health-startup-interval 3s", "--health-interval x", "--sdnotify foo", "--health-cmd x --health-retries 0", "--health-cmd x --health-timeout 0s", "--health-cmd x --health-log-destination /nosuch", "--dns none,1.1.1.1", "--foo",
		"--device /dev/nosuch", "--device vendor.com/class=name", "--gpus all", "--pod-id-file /nosuch", "--init-ctr never", "--init-ctr once --rm",
		"--group-add keep-groups,x", "--systemd foo", "--image-volume foo", "--cgroups foo", "--hostname a/b", "--name a/b",
		"--sysctl foo", "--annotation foo", "--umask 999", "--tz foo", "--tz ../../etc/passwd", "--pull foo", "--attach foo",
		"--platform linux/arm --arch arm", "--preserve-fd 3,5", "--preserve-fds 1 --preserve-fd 3", "--preserve-fds -1", "--secret type=env",
		"--blkio-weight 99999", "--pids-limit x", "--cpus x", "--expose a", "--tls-verify=x", "--stop-timeout x", "--stop-timeout 2147483648",
		"--env-merge x", "--uidmap 0:1:1 --userns keep-id", "--no-hosts --add-host a:1.1.1.1", `--dns "`,
	} {
		c, _, err := parseContainer(t, testCaller(), append(strings.Fields(line), "img")...)
		if err == nil {
			t.Errorf("%s is taken: %s", line, asked(t, c))
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", line, err)
		}
	}
}

func TestContainersConfGivesDefaultsAndFlagsWin(t *testing.T) {
	yes, no, n, stop := true, false, int64(77), uint(7)
	list := func(words ...string) config.List { return config.List{Values: words, Set: true} }
	conf := &config.Config{
		Containers: config.Containers{
			Annotations: list("a=conf", "b=conf"), DefaultUlimits: list("nofile=1:1", "nproc=2:2"), DNSServers: list("9.9.9.9"),
			Env: list("IMG=conf"), Devices: list("/dev/zero"), Init: &yes, HTTPProxy: &no, PidsLimit: &n, TZ: "local", Umask: "0077",
			Volumes: list("/:/conf", "/:/mine"), LogDriver: "none", LogSizeMax: &n, UserNS: "keep-id", NetNS: "none", ShmSize: "1m",
			DefaultSysctls: list("net.ipv4.ping_group_range=0 0", "net.a.b=1"), DefaultCapabilities: list("CHOWN"), Label: &no,
		},
		Engine: config.Engine{StopTimeout: &stop, PullPolicy: "never", ImageVolumeMode: "ignore"},
	}
	caller := testCaller()
	caller.conf = conf
	c, o, err := parseContainer(t, caller, "img")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"annotations":{"a":"conf","b":"conf"},"isolation":{"user":"keep-id"},"log":{"driver":"none","max_size":77},` +
		`"mounts":{"devices":["/dev/zero"],"image_volume":"ignore","list":[{"destination":"/conf","source":"/","type":"bind"},{"destination":"/mine","source":"/","type":"bind"}],"shm_size":"1m"},` +
		`"network":{"dns":["9.9.9.9"],"mode":"none"},"process":{"env_defaults":{"IMG":"conf"},"http_proxy":null,"init":true,"stop_timeout":7,"timezone":"local","umask":"0077"},` +
		`"resources":{"default_ulimits":["nofile=1:1","nproc=2:2"],"pids_default":77,"sysctl":{"net.a.b":"1"}},"security":{"default_caps":["CHOWN"],"label":["disable"]}}`
	if got := asked(t, c); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if o.pull.policy != "never" {
		t.Errorf("the pull policy is %q", o.pull.policy)
	}
	c, o, err = parseContainer(t, caller, strings.Fields("--annotation a=flag --ulimit nofile=5 --dns 1.1.1.1 --init=false --http-proxy --tz local --umask 022 "+
		"-v v:/mine --log-driver k8s-file --userns host --network host --shm-size 2m --stop-timeout 3 --pull always --image-volume tmpfs --security-opt label=type:x img")...)
	if err != nil {
		t.Fatal(err)
	}
	want = `{"annotations":{"a":"flag","b":"conf"},"isolation":{"user":"host"},"log":{"driver":"k8s-file","max_size":77},` +
		`"mounts":{"devices":["/dev/zero"],"image_volume":"tmpfs","list":[{"destination":"/mine","source":"v","type":"volume"},{"destination":"/conf","source":"/","type":"bind"}],"shm_size":"2m"},` +
		`"network":{"dns":["1.1.1.1"],"mode":"host"},"process":{"env_defaults":{"IMG":"conf"},"stop_timeout":3,"timezone":"local","umask":"022"},` +
		`"resources":{"default_ulimits":["nproc=2:2"],"pids_default":77,"ulimits":["nofile=5"]},"security":{"default_caps":["CHOWN"],"label":["type:x"]}}`
	if got := asked(t, c); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if o.pull.policy != "always" {
		t.Errorf("the pull policy is %q", o.pull.policy)
	}
}

func TestNetworkOfContainersConf(t *testing.T) {
	caller := testCaller()
	caller.conf.Network = config.Network{DefaultRootlessNetworkCmd: "slirp4netns", PastaOptions: config.List{Values: []string{"-4"}, Set: true}}
	caller.conf.Engine.NetworkCmdOptions = config.List{Values: []string{"mtu=1500", "enable_ipv6=true"}, Set: true}
	for flags, want := range map[string]string{
		"":                   "slirp4netns:mtu=1500,enable_ipv6=true",
		"--network private":  "slirp4netns:mtu=1500,enable_ipv6=true",
		"--network pasta":    "pasta:-4",
		"--network pasta:-6": "pasta:-6",
		"--network none":     "none",
	} {
		c, _, err := parseContainer(t, caller, append(strings.Fields(flags), "img")...)
		if err != nil || c.Network.Mode != want {
			t.Errorf("%q: got %q, %v, want %q", flags, c.Network.Mode, err, want)
		}
	}
}

func TestEnvironmentOfTheCaller(t *testing.T) {
	caller := testCaller()
	caller.environ = append(caller.environ, "PODMAN_USERNS=keep-id", "PODMAN_SYSTEMD_UNIT=web.service")
	c, _, err := parseContainer(t, caller, "img")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := asked(t, c), `{"isolation":{"user":"keep-id"},"labels":{"PODMAN_SYSTEMD_UNIT":"web.service"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEveryFlagOfPodmanExists holds the commands against podman's flags of
// 4.3.1 and what 5.x added.
func TestEveryFlagOfPodmanExists(t *testing.T) {
	for _, c := range commands() {
		body, err := os.ReadFile(filepath.Join("testdata", "flags", c.name+".txt"))
		if err != nil {
			continue
		}
		cmd := c.make(newApp())
		for name := range strings.FieldsSeq(string(body)) {
			if cmd.Flags().Lookup(name) == nil {
				t.Errorf("%s has no --%s", c.name, name)
			}
		}
	}
}

func BenchmarkContainerFlags(b *testing.B) {
	for b.Loop() {
		f := pflag.NewFlagSet("run", pflag.ContinueOnError)
		addContainerFlags(f, &containerOptions{})
		if err := f.Parse([]string{"--rm", "--network=none", "img", "true"}); err != nil {
			b.Fatal(err)
		}
	}
}
