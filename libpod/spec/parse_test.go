package spec_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
)

func text(s string) *string { return &s }

func TestParseVolume(t *testing.T) {
	for in, want := range map[string]spec.Mount{
		"/data":                             {Type: "volume", Destination: "/data", Anonymous: true},
		"vol:/data":                         {Type: "volume", Source: "vol", Destination: "/data"},
		"vol:/data/../x/:ro":                {Type: "volume", Source: "vol", Destination: "/x", Options: []string{"ro"}},
		"./rel:/data":                       {Type: "bind", Source: "./rel", Destination: "/data"},
		"../rel:/data":                      {Type: "bind", Source: "../rel", Destination: "/data"},
		`/a\:b:/c\:d:ro`:                    {Type: "bind", Source: "/a:b", Destination: "/c:d", Options: []string{"ro"}},
		"/a:/b:z,ro,ro,rslave":              {Type: "bind", Source: "/a", Destination: "/b", Relabel: "z", Options: []string{"ro", "rslave"}},
		"/a:/b:Z,U,noexec,copy":             {Type: "bind", Source: "/a", Destination: "/b", Relabel: "Z", Chown: true, Options: []string{"noexec"}},
		"v:/b:nocopy,suid,dev":              {Type: "volume", Source: "v", Destination: "/b", NoCopy: true, Options: []string{"suid", "dev"}},
		"/a:/b:O":                           {Type: "bind", Source: "/a", Destination: "/b", Overlay: true},
		"/a:/b:O,upperdir=/u,workdir=/w":    {Type: "bind", Source: "/a", Destination: "/b", Overlay: true, UpperDir: "/u", WorkDir: "/w"},
		"/a:/b:idmap":                       {Type: "bind", Source: "/a", Destination: "/b", IDMap: text("")},
		"/a:/b:idmap=uids=0-1-2;gids=0-1-2": {Type: "bind", Source: "/a", Destination: "/b", IDMap: text("uids=0-1-2;gids=0-1-2")},
		"v:/b:subpath=x":                    {Type: "volume", Source: "v", Destination: "/b", SubPath: "x"},
	} {
		got, err := spec.ParseVolume(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "rel", "a:b", ":/x", "/a:/b:foo", "/a:/b:ro,rw", "/a:/b:z,Z", "/a:/b:O,z", "a:/b:c:d",
		"/a:/b:upperdir=/u,workdir=/w", "/a:/b:O,upperdir=/u", "/a:/b:shared,slave", "-x:/b", "/a:/b:", "/a:/b:x=y"} {
		if got, err := spec.ParseVolume(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestParseMount(t *testing.T) {
	for in, want := range map[string]spec.Mount{
		"type=bind,src=/a,dst=/b":                                                           {Type: "bind", Source: "/a", Destination: "/b"},
		"type=bind,source=/a,target=/b,ro=true,relabel=shared,U=true":                       {Type: "bind", Source: "/a", Destination: "/b", Options: []string{"ro"}, Relabel: "z", Chown: true},
		"type=bind,src=/a,dst=/b,readonly=false,bind-propagation=rshared,bind-nonrecursive": {Type: "bind", Source: "/a", Destination: "/b", Options: []string{"rw", "rshared", "bind"}},
		`type=bind,"src=/a,b",dst=/b,Z,noexec,exec=false,consistency=cached`:                {Type: "bind", Source: "/a,b", Destination: "/b", Relabel: "Z", Options: []string{"noexec"}},
		"type=bind,src=/a,dst=/b,idmap":                                                     {Type: "bind", Source: "/a", Destination: "/b", IDMap: text("")},
		"type=bind,src=/a,dst=/b,idmap=false":                                               {Type: "bind", Source: "/a", Destination: "/b"},
		"src=v,dst=/b":                                                                      {Type: "volume", Source: "v", Destination: "/b"},
		"type=volume,dst=/b":                                                                {Type: "volume", Destination: "/b", Anonymous: true},
		"type=volume,src=v,dst=/b,volume-nocopy,subpath=x,chown,nosuid":                     {Type: "volume", Source: "v", Destination: "/b", NoCopy: true, SubPath: "x", Chown: true, Options: []string{"nosuid"}},
		"type=tmpfs,tmpfs-size=512M,destination=/b,tmpfs-mode=700,notmpcopyup":              {Type: "tmpfs", Destination: "/b", Options: []string{"size=512M", "mode=700"}, NoTmpCopyUp: true},
		"type=tmpfs,dst=/b,ro,U,tmpcopyup":                                                  {Type: "tmpfs", Destination: "/b", Options: []string{"ro"}, Chown: true},
		"type=image,source=fedora,destination=/b,rw=true":                                   {Type: "image", Source: "fedora", Destination: "/b", ReadWrite: true},
		"type=image,src=fedora,dst=/b,ro,subpath=/etc":                                      {Type: "image", Source: "fedora", Destination: "/b", SubPath: "/etc"},
		"type=devpts,destination=/dev/pts,uid=1,gid=2,mode=620,max=10":                      {Type: "devpts", Destination: "/dev/pts", Options: []string{"uid=1", "gid=2", "mode=620", "max=10"}},
		"type=glob,src=/usr/lib/foo*,ro":                                                    {Type: "glob", Source: "/usr/lib/foo*", Options: []string{"ro"}},
		"type=bind,dst=/b":                                                                  {Type: "bind", Source: "/b", Destination: "/b"},
		"type=glob,src=/a*,dst=/b":                                                          {Type: "glob", Source: "/a*", Destination: "/b"},
	} {
		got, err := spec.ParseMount(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "type=foo,dst=/b", "type=bind,src=/a", "type=bind,src=/a,dst=/b,foo=1",
		"type=bind,src=/a,dst=b", "type=bind,src=,dst=/b", "type=bind,src=/a,dst=/b,ro=x", "type=tmpfs,src=/a,dst=/b",
		"type=tmpfs,dst=/b,tmpfs-mode=999", "type=tmpfs,dst=/b,tmpfs-size=x", "type=image,dst=/b", "type=devpts,dst=/b,uid=x",
		"type=bind,src=/a,dst=/b,relabel=x", "type=bind,src=/a,dst=/b,bind-propagation=x", `type=bind,"src=/a`, "type=glob", "type=volume,src=a/b,dst=/x"} {
		if got, err := spec.ParseMount(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestParseTmpfs(t *testing.T) {
	for in, want := range map[string]spec.Mount{
		"/t":                            {Type: "tmpfs", Destination: "/t"},
		"/t:rw,size=787448k,mode=1777":  {Type: "tmpfs", Destination: "/t", Options: []string{"rw", "size=787448k", "mode=1777"}},
		"/t:size=50%,noexec,exec=false": {Type: "tmpfs", Destination: "/t", Options: []string{"size=50%", "noexec"}},
		"/t:noatime,notmpcopyup,uid=5":  {Type: "tmpfs", Destination: "/t", Options: []string{"noatime", "uid=5"}, NoTmpCopyUp: true},
	} {
		got, err := spec.ParseTmpfs(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "t", "/t:foo", "/t:ro,rw", "/t:size=x", "/t:O", "/t:mode=8"} {
		if got, err := spec.ParseTmpfs(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestParsePublish(t *testing.T) {
	one := func(ip string, host, inside, n uint16, protocol string) []spec.Port {
		return []spec.Port{{HostIP: ip, HostPort: host, Container: inside, Range: n, Protocol: protocol}}
	}
	for in, want := range map[string][]spec.Port{
		"80":                    one("", 0, 80, 1, "tcp"),
		"80/UDP":                one("", 0, 80, 1, "udp"),
		"8080:80":               one("", 8080, 80, 1, "tcp"),
		":80":                   one("", 0, 80, 1, "tcp"),
		"::80":                  one("", 0, 80, 1, "tcp"),
		"8000-8010:90-100/sctp": one("", 8000, 90, 11, "sctp"),
		"127.0.0.1:8080:80":     one("127.0.0.1", 8080, 80, 1, "tcp"),
		"127.0.0.1::80":         one("127.0.0.1", 0, 80, 1, "tcp"),
		"[::1]:8080:80":         one("::1", 8080, 80, 1, "tcp"),
		"[::1]::80":             one("::1", 0, 80, 1, "tcp"),
		"1-65535:1-65535":       one("", 1, 1, 65535, "tcp"),
		"80-81":                 append(one("", 0, 80, 1, "tcp"), one("", 0, 81, 1, "tcp")...),
	} {
		got, err := spec.ParsePublish(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "a", "0", "65536", "99999:80", "a:b:c:d", "1-3:80", "80-70", "80/foo", "localhost:80:80",
		"[::1:80:80", "[::1]80", "1:2:3:4", "80-", "-80", "8080:", "[]:80:80"} {
		if got, err := spec.ParsePublish(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestCorner29EnvWords(t *testing.T) {
	host := []string{"HOME=/root", "ED1=1", "ED2=2", "=C:=x"}
	env := map[string]string{"KEPT": "k", "A": "old"}
	for _, word := range []string{"A=1", "B=", "C=$HOME=x", "HOME", "NOSUCH", "ED*", "ED*=lit"} {
		if err := spec.AddEnv(env, word, host); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	want := map[string]string{"KEPT": "k", "A": "1", "B": "", "C": "$HOME=x", "HOME": "/root", "ED1": "1", "ED2": "2", "ED*": "lit"}
	if !maps.Equal(env, want) {
		t.Errorf("got %v, want %v", env, want)
	}
	for _, word := range []string{"", "=x", "a=\x00"} {
		if spec.AddEnv(env, word, host) == nil {
			t.Errorf("%q is taken", word)
		}
	}
}

func TestCorner29EnvFile(t *testing.T) {
	env := map[string]string{}
	err := spec.AddEnvFile(env, []byte("\ufeffBOM=1\n# comment\n\n  LEAD=x\nTRAIL=y   \nQUOTED=\"q q\"\nSPACE IN=3\r\nHOME\nED*\nLAST=l"), []string{"HOME=/root", "ED1=1"})
	want := map[string]string{"BOM": "1", "LEAD": "x", "TRAIL": "y   ", "QUOTED": `"q q"`, "SPACE IN": "3", "HOME": "/root", "ED1": "1", "LAST": "l"}
	if err != nil || !maps.Equal(env, want) {
		t.Errorf("got %v, %v, want %v", env, err, want)
	}
	if spec.AddEnvFile(env, []byte("A=1\n=foo\n"), nil) == nil {
		t.Error("a line without a name is taken")
	}
}

func TestLabels(t *testing.T) {
	labels := map[string]string{}
	if err := spec.AddLabelFile(labels, []byte("a=b\n# c\nfoo\n  x=y z\n")); err != nil {
		t.Fatal(err)
	}
	if err := spec.AddLabel(labels, "w=a=b"); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]string{"a": "b", "foo": "", "x": "y z", "w": "a=b"}); !maps.Equal(labels, want) {
		t.Errorf("got %v, want %v", labels, want)
	}
	if spec.AddLabel(labels, "=x") == nil || spec.AddLabelFile(labels, []byte("x = y")) == nil {
		t.Error("a wrong label is taken")
	}
}

func TestParseWords(t *testing.T) {
	for in, want := range map[string][]string{
		"":             {},
		"/bin/sh -c":   {"/bin/sh -c"},
		`["a", "b c"]`: {"a", "b c"},
		`[]`:           {},
		`[not json`:    {"[not json"},
		`  ["a"]`:      {"a"},
	} {
		if got := spec.ParseWords(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestParseHealth(t *testing.T) {
	for in, want := range map[string]string{
		"none":                  "NONE",
		"":                      "NONE",
		"curl -f http://x":      "CMD-SHELL|curl -f http://x",
		`["curl","-f"]`:         "CMD|curl|-f",
		`["CMD","curl"]`:        "CMD|curl",
		`["CMD-SHELL","a b"]`:   "CMD-SHELL|a b",
		`["one line"]`:          "CMD-SHELL|one line",
		"CMD a b":               "CMD|a|b",
		"CMD-SHELL a b || exit": "CMD-SHELL|a b || exit",
		`[]`:                    "error",
		"CMD":                   "error",
		"CMD-SHELL  ":           "error",
	} {
		got, err := spec.ParseHealthTest(in)
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if d, err := spec.ParseHealthInterval("disable"); err != nil || d != spec.HealthNever {
		t.Errorf("disable: got %v, %v", d, err)
	}
	if d, err := spec.ParseHealthTime("1m30s"); err != nil || d != 90*time.Second {
		t.Errorf("1m30s: got %v, %v", d, err)
	}
	if _, err := spec.ParseHealthTime("-1s"); err == nil {
		t.Error("-1s is taken")
	}
}

func TestParseSecret(t *testing.T) {
	for in, want := range map[string]spec.Secret{
		"s":                   {Source: "s", Type: "mount"},
		"s,type=env,target=X": {Source: "s", Type: "env", Target: "X"},
		"source=s,target=/x,uid=1,gid=2,mode=0400": {Source: "s", Type: "mount", Target: "/x", UID: 1, GID: 2, Mode: 0o400},
	} {
		if got, err := spec.ParseSecret(in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "type=env", "s,type=x", "s,foo=1", "s,uid=x", "s,mode=9", "s,type=env,uid=1"} {
		if got, err := spec.ParseSecret(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestParseRestart(t *testing.T) {
	for in, want := range map[string]spec.Restart{
		"no": {Policy: "no"}, "always": {Policy: "always"}, "unless-stopped": {Policy: "unless-stopped"},
		"on-failure": {Policy: "on-failure"}, "on-failure:3": {Policy: "on-failure", Max: 3},
	} {
		if got, err := spec.ParseRestart(in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"foo", "always:3", "on-failure:x", "on-failure:-1", "on-failure:"} {
		if _, err := spec.ParseRestart(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "none": "none", "host": "host", "private": "private", "default": "", "container:x": "container:x",
		"ns:/proc/1/ns/net": "ns:/proc/1/ns/net", "pasta:-t,80": "pasta:-t,80", "slirp4netns:mtu=1500": "slirp4netns:mtu=1500",
		"bridge": "bridge", "net1:ip=10.0.0.1,alias=a": "bridge",
		"host:x": "error", "container:": "error", "a b": "error", "net1:ip=": "error",
	} {
		mode, attach, err := spec.ParseNetwork(in)
		if err != nil {
			mode = "error"
		}
		if mode != want || (err == nil && mode == "bridge") != (attach != nil && err == nil) {
			t.Errorf("%q: got %q, %+v, %v", in, mode, attach, err)
		}
	}
	_, got, _ := spec.ParseNetwork("net1:ip=10.0.0.1,ip6=::2,mac=aa:bb:cc:dd:ee:ff,alias=a,alias=b,interface_name=eth5,mtu=3")
	want := &spec.NetworkAttach{Name: "net1", IP: "10.0.0.1", IP6: "::2", MAC: "aa:bb:cc:dd:ee:ff", Aliases: []string{"a", "b"}, Interface: "eth5", Options: map[string]string{"mtu": "3"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// FuzzMount: whatever is taken has an absolute, clean destination.
func FuzzMount(f *testing.F) {
	for _, seed := range []string{"type=bind,src=/a,dst=/b,ro", "/a:/b:ro,z", "v:/b", "/t:size=1g,mode=700", "type=tmpfs,dst=/x,tmpfs-size=5%", `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (spec.Mount, error){spec.ParseMount, spec.ParseVolume, spec.ParseTmpfs} {
			m, err := parse(s)
			if err != nil || m.Type == spec.MountGlob && m.Destination == "" {
				continue
			}
			if !strings.HasPrefix(m.Destination, "/") || strings.Contains(m.Destination+"/", "/../") {
				t.Errorf("%q gives the destination %q", s, m.Destination)
			}
		}
	})
}

// FuzzPublish: whatever is taken stays within the port numbers there are.
func FuzzPublish(f *testing.F) {
	for _, seed := range []string{"80", "127.0.0.1:8000-8010:80-90/udp", "[::1]::1-65535", "1-2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ports, err := spec.ParsePublish(s)
		if err == nil && len(ports) == 0 {
			t.Errorf("%q gives no port", s)
		}
		for _, p := range ports {
			last := int(p.Container) + int(p.Range) - 1
			if p.Range == 0 || p.Container == 0 || last > 65535 || int(p.HostPort)+int(p.Range)-1 > 65535 || p.HostPort == 0 && p.Range != 1 {
				t.Errorf("%q gives %+v", s, p)
			}
		}
	})
}

// FuzzEnvFile: no name is empty, and no value has a line's end in it.
func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=1\n# c\n  B\nC*\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		env := map[string]string{}
		if spec.AddEnvFile(env, body, []string{"HOME=/root"}) != nil {
			return
		}
		for name, value := range env {
			if name == "" || strings.ContainsAny(name, "=\n\x00") || strings.ContainsAny(value, "\n\x00") {
				t.Errorf("%q gives %q=%q", body, name, value)
			}
		}
	})
}
