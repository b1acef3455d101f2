package crash

import (
	"io"
	"strings"
	"testing"
)

// kubeYAML has all that a play makes: a secret, a claim, a service, files, a
// directory of the host, two pods.
const kubeYAML = `
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {key: value}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claimed}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: i, image: localhost/busybox, command: ["true"]}
  containers:
  - name: c
    image: localhost/busybox
    command: [sleep, "1000000"]
    volumeMounts:
    - {name: claim, mountPath: /claim}
    - {name: files, mountPath: /files}
    - {name: scratch, mountPath: /scratch}
    - {name: precious, mountPath: /p}
  volumes:
  - {name: claim, persistentVolumeClaim: {claimName: claimed}}
  - {name: precious, persistentVolumeClaim: {claimName: precious}}
  - {name: files, secret: {secretName: s}}
  - {name: scratch, emptyDir: {medium: Memory}}
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: localhost/busybox, command: [sleep, "1000000"]}
`

// TestKillKube: a play that is killed at any step is undone by the next
// command, or was done; and a killed down is done by the next one.
func TestKillKube(t *testing.T) {
	for _, op := range []operation{
		{"kube-play", nil, words("kube play --network none")},
		{"kube-down", words("kube play --network none"), words("kube down")},
	} {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			everyStep(t, "cli-"+op.name, op, inPods, (*site).killKube, (*site).inspectKube)
		})
	}
}

// TestKillKubeReplace: after it, there is what was there before or what
// replaces it, whole and running.
func TestKillKubeReplace(t *testing.T) {
	op := operation{"kube-replace", words("kube play --network none --annotation version=old"), words("kube play --replace --network none --annotation version=new")}
	t.Parallel()
	everyStep(t, "cli-kube-replace", op, usually, (*site).killKube, func(s *site, when string) {
		s.inspectReplaced(when)
		s.inspectKube(when)
	})
}

func (s *site) inspectReplaced(when string) {
	s.t.Helper()
	if got := strings.Fields(s.must("pod", "ps", "--sort", "name", "--format", "{{.Name}}")); strings.Join(got, " ") != "one two" {
		s.t.Errorf("%s: the pods are %v", when, got)
	}
	var versions []string
	for _, c := range []string{"one-c", "two-c"} {
		versions = append(versions, strings.TrimSpace(s.must("container", "inspect", "--format", `{{index .Config.Annotations "version"}} {{.State.Status}}`, c)))
	}
	if versions[0] != versions[1] || versions[0] != "old running" && versions[0] != "new running" {
		s.t.Errorf("%s: not all old or all new: %q", when, versions)
	}
	s.must("exec", "one-c", "cat", "/files/key", "/p/file")
	if left := s.must("ps", "-a", "--format", "{{.Names}}"); strings.Contains(left, "replaced") {
		s.t.Errorf("%s: containers are left: %s", when, left)
	}
}

// killKube gives the commands the file, which lies in the site's home.
func (s *site) killKube(calls string, n int, op operation) {
	file := s.Home + "/kube.yaml"
	s.write(file, func(w io.Writer) error {
		_, err := io.WriteString(w, kubeYAML)
		return err
	})
	if op.prepare != nil {
		op.prepare = append(op.prepare[:len(op.prepare):len(op.prepare)], file)
	}
	op.argv = append(op.argv[:len(op.argv):len(op.argv)], file)
	s.killCommand(calls, n, op)
}

// inspectKube: either both pods are there or none, and what went with them.
func (s *site) inspectKube(when string) {
	file := s.Home + "/kube.yaml"
	pods := strings.Fields(s.must("pod", "ps", "--format", "{{.Name}}"))
	s.must("kube", "down", "--force", file)
	for what, left := range map[string]string{
		"pods":       s.must("pod", "ps", "-q"),
		"containers": s.must("ps", "-aq"),
		"secrets":    s.must("secret", "ls", "-q"),
		"objects":    s.must("kube", "ls", "-n"),
	} {
		if left != "" {
			s.t.Errorf("%s: %s are left after down (pods before: %v): %s", when, what, pods, left)
		}
	}
	s.must("kube", "play", "--network", "none", file)
	if got := strings.Fields(s.must("pod", "ps", "--format", "{{.Name}} {{.Status}}")); len(got) != 4 || got[1] != "Running" || got[3] != "Running" {
		s.t.Errorf("%s: played again: %v", when, got)
	}
	if got := s.must("exec", "one-c", "cat", "/p/file"); strings.TrimSpace(got) != kept {
		s.t.Errorf("%s: the volume's file holds %q", when, got)
	}
	s.must("kube", "down", file)
	volumes := strings.Fields(s.must("volume", "ls", "-q"))
	if len(volumes) != 2 {
		s.t.Errorf("%s: volumes after down: %v", when, volumes)
	}
	s.must("volume", "rm", "claimed")
	s.inspectStorage(when)
}
