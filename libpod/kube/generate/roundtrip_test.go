package generate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/kube/translate"
	"github.com/carob-containers/carob/libpod/spec"
)

// wholePod is a pod with all that can be written and read again.
const wholePod = `
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {app.conf: "a = 1\n", "other": "two\nlines, no end"}
binaryData: {raw: /wAB}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web, tier: front}
  annotations: {note: "1", io.podman.annotations.ulimit/app: "nofile=10:20", io.podman.annotations.pids-limit/app: "9", io.podman.annotations.init.container.type/first: always, "bind-mount-options:/srv/data": Z}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 7
  activeDeadlineSeconds: 900
  hostname: other
  shareProcessNamespace: true
  hostUsers: false
  hostAliases: [{ip: 192.0.2.1, hostnames: [a]}, {ip: 192.0.2.1, hostnames: [b]}]
  dnsPolicy: None
  dnsConfig: {nameservers: [192.0.2.53], options: [{name: ndots, value: "2"}, {name: edns0}]}
  securityContext: {fsGroup: 5, supplementalGroups: [6, 7], sysctls: [{name: net.core.somaxconn, value: "9"}], runAsUser: 10}
  resources: {limits: {memory: 1Gi}}
  initContainers:
  - {name: side, image: "localhost/s:1", restartPolicy: Always, args: [x]}
  - {name: first, image: "localhost/i:1", command: [a, "$$(B)"]}
  - {name: once, image: "localhost/i:1"}
  containers:
  - name: app
    image: localhost/app:1
    command: [run, "$(PASSWORD)", "cost $5", "$$(X)"]
    args: ["$HOME"]
    workingDir: /w
    tty: true
    stdin: true
    env:
    - {name: APLAIN, value: "plain $$(A) $$$$"}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: URL, value: "x:$(PASSWORD)@$$y"}
    ports: [{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}, {containerPort: 53, hostPort: 5353, protocol: UDP}]
    resources: {limits: {cpu: 1500m, memory: 64Mi}, requests: {cpu: 250m, memory: 32Mi}}
    livenessProbe: {httpGet: {path: /h, port: 80, scheme: HTTPS, httpHeaders: [{name: X-A, value: v}]}, initialDelaySeconds: 1, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4, terminationGracePeriodSeconds: 5}
    readinessProbe: {grpc: {port: 9, service: s}, successThreshold: 2}
    startupProbe: {tcpSocket: {port: 80}}
    lifecycle: {preStop: {sleep: {seconds: 2}}, postStart: {exec: {command: [a, b]}}, stopSignal: SIGINT}
    securityContext:
      runAsGroup: 11
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {add: [NET_ADMIN], drop: [ALL]}
      seccompProfile: {type: Unconfined}
      seLinuxOptions: {type: t, level: "s0:c1"}
      procMount: Unmasked
    volumeMounts:
    - {name: scratch, mountPath: /scratch}
    - {name: fast, mountPath: /fast, subPath: a/b}
    - {name: data, mountPath: /data, readOnly: true}
    - {name: host, mountPath: /host, mountPropagation: HostToContainer}
    - {name: null, mountPath: /dev/mine}
    - {name: img, mountPath: /img}
    - {name: conf, mountPath: /etc/conf}
    - {name: conf, mountPath: /etc/app.conf, subPath: d/app.conf}
    - {name: all, mountPath: /all}
  - {name: other, image: "localhost/o:1", volumeMounts: [{name: scratch, mountPath: /there}]}
  volumes:
  - {name: scratch, emptyDir: {}}
  - {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: host, hostPath: {path: /srv/data, type: Directory}}
  - {name: "null", hostPath: {path: /dev/null, type: CharDevice}}
  - {name: conf, configMap: {name: conf, defaultMode: 0400, items: [{key: app.conf, path: d/app.conf}, {key: raw, path: raw, mode: 0755}, {key: raw, path: d-app.conf}]}}
  - name: all
    projected:
      sources:
      - configMap: {name: conf}
      - secret: {name: db, items: [{key: password, path: p/word, mode: 0440}]}
      - secret: {name: db, optional: true}
      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
  - {name: img, image: {reference: "localhost/img:1", pullPolicy: IfNotPresent}}
`

func plan(t *testing.T, yaml []byte, secrets map[string][]string) *kube.Plan {
	t.Helper()
	p, warnings, err := translate.Plan(&kube.Source{YAML: yaml, Secrets: secrets, Host: kube.Host{CPUs: 1}})
	if err != nil {
		t.Fatalf("%v in:\n%s", err, yaml)
	}
	for _, w := range warnings { // strict decoding speaks here, too
		if !strings.Contains(w, "is seen with the owners that it has on the host") { // hostUsers: false beside a hostPath
			t.Errorf("warning: %s", w)
		}
	}
	return p
}

// ask asks for what a plan has made.
func ask(p *kube.Plan) *kube.Generate {
	g := &kube.Generate{Version: "test", Anonymous: map[string]spec.Volume{}, Contents: map[string]map[string][]byte{}}
	for i := range p.Pods {
		pod := &p.Pods[i]
		for _, v := range pod.Volumes {
			g.Contents[v.Name] = map[string][]byte{}
			for _, f := range v.Files {
				g.Contents[v.Name][f.Path] = f.Data
			}
			g.Anonymous[v.Name] = spec.Volume{Files: v.Record()}
			if v.Memory {
				g.Anonymous[v.Name] = spec.Volume{Options: map[string]string{"type": "tmpfs", "o": "mode=777,size=1048576"}}
			}
		}
		out := kube.GeneratePod{Spec: &pod.Spec, Infra: &pod.Infra}
		for _, c := range pod.Containers {
			c.Spec.ID = c.Spec.Name
			out.Containers = append(out.Containers, kube.GenerateContainer{Spec: c.Spec, Binds: map[string]string{"/srv/data": "directory"}})
		}
		g.Pods = append(g.Pods, out)
	}
	return g
}

// TestRoundTrip: what is written of a pod gives the same pod when it is read.
func TestRoundTrip(t *testing.T) {
	first := plan(t, []byte(strings.Replace(wholePod, "{name: null,", `{name: "null",`, 1)), nil)
	yaml, warnings, err := YAML(ask(first))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	second := plan(t, yaml, map[string][]string{"db": {"password"}})
	for i := range first.Pods[0].Containers {
		a, b := first.Pods[0].Containers[i].Spec, second.Pods[0].Containers[i].Spec
		same(t, a.Name, canonical(a, first.Pods[0].Volumes), canonical(b, second.Pods[0].Volumes))
	}
	same(t, "files", filled(first.Pods[0].Volumes), filled(second.Pods[0].Volumes))
	same(t, "infra", first.Pods[0].Infra, second.Pods[0].Infra)
	same(t, "pod", first.Pods[0].Spec, second.Pods[0].Spec)
	if t.Failed() {
		t.Logf("written:\n%s", yaml)
	}
}

// filled are the volumes with files, by name.
func filled(volumes []kube.PodVolume) map[string]kube.PodVolume {
	out := map[string]kube.PodVolume{}
	for _, v := range volumes {
		if len(v.Files)+len(v.Secrets) > 0 {
			out[v.Name] = v
		}
	}
	return out
}

// canonical replaces the names of the pod's volumes by their places.
func canonical(c spec.Container, volumes []kube.PodVolume) spec.Container {
	for i := range c.Mounts.List {
		for _, v := range volumes {
			if m := &c.Mounts.List[i]; m.Anonymous && m.Source == v.Name {
				switch {
				case v.Memory:
					m.Source = "memory"
				case len(v.Files)+len(v.Secrets) == 0:
					m.Source = "empty"
				}
			}
		}
	}
	c.Annotations = nil // each container has those of all
	return c
}

func same(t *testing.T, what string, a, b any) {
	t.Helper()
	first, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	second, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if string(first) == string(second) {
		return
	}
	x, y := strings.Split(string(first), "\n"), strings.Split(string(second), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			t.Errorf("%s: line %d was %s and is %s", what, i, x[i], y[i])
			return
		}
	}
	t.Errorf("%s: %d lines became %d", what, len(x), len(y))
}

// TestRoundTripOfDNS: what a pod adds to the host's servers, search domains
// and options is added again, and what stands in their place does so again.
func TestRoundTripOfDNS(t *testing.T) {
	const conf = `dnsConfig: {nameservers: [192.0.2.53], searches: [a.example], options: [{name: ndots, value: "2"}]}`
	for _, words := range []string{conf, "dnsPolicy: None\n  " + conf, "dnsPolicy: None\n  dnsConfig: {nameservers: [192.0.2.53]}"} {
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: c, image: \"localhost/i:1\"}]\n  " + words
		first := plan(t, []byte(pod), nil)
		yaml, warnings, err := YAML(ask(first))
		if err != nil || len(warnings) > 0 {
			t.Fatal(words, err, warnings)
		}
		same(t, words, first.Pods[0].Infra, plan(t, yaml, nil).Pods[0].Infra)
	}
}

// TestRoundTripOfNames: a subdomain is one again, also in the hostname.
func TestRoundTripOfNames(t *testing.T) {
	for _, words := range []string{"subdomain: s", "subdomain: s, hostname: h", "subdomain: s, hostname: h, setHostnameAsFQDN: true", "subdomain: s, hostnameOverride: o"} {
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: \"localhost/i:1\"}], " + words + "}"
		first := plan(t, []byte(pod), nil)
		yaml, warnings, err := YAML(ask(first))
		if err != nil || len(warnings) > 0 {
			t.Fatal(words, err, warnings)
		}
		second := plan(t, yaml, nil)
		same(t, words, first.Pods[0].Infra, second.Pods[0].Infra)
		same(t, words, first.Pods[0].Spec.Hostname, second.Pods[0].Spec.Hostname)
	}
}

// TestDNSOfFlags: Kubernetes has no words for a part of it in the host's place.
func TestDNSOfFlags(t *testing.T) {
	for warning, n := range map[string]spec.Network{
		"its servers want dnsPolicy None":      {DNS: []string{"192.0.2.53"}, DNSSearch: []string{"a.example"}},
		"played again they are added to them":  {DNSOptions: []string{"rotate"}},
		"that /etc/resolv.conf is the image's": {DNS: []string{"none"}},
	} {
		c := spec.Container{Name: "web", Image: "localhost/web:1", ImageName: "localhost/web:1", Network: n}
		yaml, warnings, err := YAML(&kube.Generate{Version: "test", Pods: []kube.GeneratePod{{Containers: []kube.GenerateContainer{{Spec: c}}}}})
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], warning) {
			t.Fatal(n, err, warnings)
		}
		p := plan(t, yaml, nil).Pods[0].Infra.Network
		if (len(p.DNS) == 1) != slices.Contains(n.DNS, "192.0.2.53") || len(p.AddDNSOptions) != len(n.DNSOptions) {
			t.Errorf("%+v became %+v", n, p)
		}
	}
}

// TestKinds: each kind is one that translate takes without a warning, for a
// container alone as well.
func TestKinds(t *testing.T) {
	c := spec.Container{Name: "web", Image: "localhost/web:1", ImageName: "localhost/web:1"}
	c.Network.Ports = []spec.Port{{HostPort: 30080, Container: 80, Range: 2, Protocol: "tcp"}}
	for kind, want := range map[string]string{"pod": "web-pod", "deployment": "web-pod-deployment-", "daemonset": "web-pod-daemonset-", "job": "web-pod-job-"} {
		g := &kube.Generate{Kind: kind, Service: true, Version: "test", Pods: []kube.GeneratePod{{Containers: []kube.GenerateContainer{{Spec: c}}}},
			Volumes: []spec.Volume{{Name: "v", Driver: "local", Options: map[string]string{"o": "uid=3,size=1m", "type": "tmpfs", "device": "tmpfs"}}}}
		yaml, warnings, err := YAML(g)
		if err != nil || len(warnings) > 0 {
			t.Fatal(kind, err, warnings)
		}
		p := plan(t, yaml, nil)
		if len(p.Pods) != 1 || !strings.HasPrefix(p.Pods[0].Spec.Name, want) || len(p.Services) != 1 || len(p.Volumes) != 1 {
			t.Errorf("%s became pods %v, services %v, volumes %v in\n%s", kind, p.Pods, p.Services, p.Volumes, yaml)
		}
		if ports := p.Pods[0].Infra.Network.Ports; len(ports) != 2 || ports[1].HostPort != 30081 {
			t.Errorf("%s: ports %v", kind, ports)
		}
	}
	if _, _, err := YAML(&kube.Generate{Kind: "pod", Replicas: 2, Pods: []kube.GeneratePod{{Containers: []kube.GenerateContainer{{Spec: c}}}}}); err == nil {
		t.Error("two replicas of a pod are no error")
	}
}

// TestSharedInPods: what Kubernetes has for whole pods only is written so that
// it does for every container, or spoken of.
func TestSharedInPods(t *testing.T) {
	three := uint(3)
	g := &kube.Generate{Version: "test", Pods: []kube.GeneratePod{{Spec: &spec.Pod{Name: "p", Labels: map[string]string{"of": "pod"}}, Containers: []kube.GenerateContainer{
		{Spec: spec.Container{Name: "a", Image: "localhost/i:1", Process: spec.Process{StopTimeout: &three, Groups: []string{"5"}}}},
		{Spec: spec.Container{
			Name: "b", Image: "localhost/i:1", Labels: map[string]string{"of": "pod", "own": "1"}, Annotations: map[string]string{"note": "1"},
			Health: &spec.Health{Test: []string{"CMD", "true"}},
		}},
	}}}}
	yaml, warnings, err := YAML(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"terminationGracePeriodSeconds: 10", "periodSeconds: 30", "timeoutSeconds: 30"} {
		if !strings.Contains(string(yaml), want) {
			t.Errorf("%s is missing in\n%s", want, yaml)
		}
	}
	want := []string{
		"container b: its label own is not written: Kubernetes has them for whole pods",
		"container b: its annotation note is not written: Kubernetes has them for whole pods",
		"container b: it gets the group 5 of another container: Kubernetes gives groups to whole pods",
	}
	same(t, "warnings", want, warnings)
}
