package main

import (
	"strings"
	"testing"

	"github.com/carob-containers/carob/pkg/unitfile/generate"
)

func TestContainerCommand(t *testing.T) {
	argv := []string{"carob", "--root", "/r", "--log-level=info", "container", "create", "-it", "--net=host", "-eA=b", "-e", "TOKEN", "--env", "P*", "--name", "x", "--tls-verify=false", "busybox", "sh", "-c", "exit 1"}
	c, err := containerCommand(argv, map[string]string{"TOKEN": "t", "PA": "1", "PB": "2", "A": "b", "OTHER": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Carob, " "); got != "carob --root=/r --log-level=info" {
		t.Errorf("carob is %q", got)
	}
	var flags []string
	for _, f := range c.Flags {
		if f.Bare {
			flags = append(flags, f.Name)
		} else {
			flags = append(flags, f.Name+"="+f.Value)
		}
	}
	if got := strings.Join(flags, " "); got != "interactive tty network=host env=A=b env=TOKEN env=P* name=x tls-verify=false" {
		t.Errorf("flags are %q", got)
	}
	if got := strings.Join(c.Args, "|"); got != "busybox|sh|-c|exit 1" {
		t.Errorf("args are %q", got)
	}
	if got := strings.Join(c.Env, " "); got != "TOKEN=t PA=1 PB=2" {
		t.Errorf("env is %q", got)
	}
}

func TestWithoutCreds(t *testing.T) {
	for line, want := range map[string]string{
		"carob run --creds a:b -d img x --creds a:b":  "carob run -d img x --creds a:b",
		"carob run --creds=a:b --rm img":              "carob run --rm img",
		"carob run --name --creds --creds a:b img":    "carob run --name --creds img",
		"carob kube play --quiet https://u:p@h/x.yml": "carob kube play --quiet https://u:xxxxx@h/x.yml",
		"carob kube play a:b.yml u@h x=https://u:p@h": "carob kube play a:b.yml u@h x=https://u:p@h",
	} {
		if got := strings.Join(withoutPasswords(withoutCreds(strings.Fields(line), "a:b")), " "); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
	if got := withoutCreds([]string{"carob", "run", "img", "--creds", "a:b"}, ""); len(got) != 5 {
		t.Errorf("%v", got)
	}
}

func TestPodCommand(t *testing.T) {
	c, err := podCommand([]string{"/usr/bin/carob", "pod", "create", "shop", "-p", "80:80"})
	if err != nil || len(c.Flags) != 1 || c.Flags[0] != (generate.Flag{Name: "publish", Value: "80:80"}) || strings.Join(c.Args, " ") != "shop" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestCommandsThatMakeNothingAnew(t *testing.T) {
	for want, argv := range map[string][]string{
		"no create command is known":            nil,
		"made by carob kube play":               {"carob", "kube", "play", "x.yaml"},
		"made by carob pod clone":               {"carob", "pod", "clone", "x"},
		"which takes its image away":            {"carob", "run", "--rmi", "busybox"},
		"create command cannot be understood: ": {"carob", "run", "--nonsense", "busybox"},
	} {
		if _, err := containerCommand(argv, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", argv, err)
		}
	}
	if _, err := podCommand([]string{"carob", "run", "--pod", "new:x", "busybox"}); err == nil {
		t.Error("run makes no pod that pod create could make")
	}
}
