package translate

import (
	"strings"
	"testing"
)

// inContainer, inPod and object make files of the one thing that a case is about.
func inContainer(fields string) string {
	return inPod("containers: [{name: c, image: i, " + fields + "}]")
}

func inVolumes(volume string) string {
	return inPod("containers: [{name: c, image: i}], volumes: [{name: v, " + volume + "}]")
}

func inDevice(mount string) string {
	return inPod("containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /dev/v, " + mount + "}]}], volumes: [{name: v, hostPath: {path: /dev/null, type: CharDevice}}]")
}

func inPod(spec string) string {
	return "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" + spec + "}}"
}

func workload(version, kind, fields string) string {
	return "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: w}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}, " + fields + "}}"
}

// TestRefuses: what Kubernetes refuses is refused, with its path, where carob
// would otherwise have to choose or to leave something out.
func TestRefuses(t *testing.T) {
	for yaml, want := range map[string]string{
		inContainer("livenessProbe: {exec: {command: [a]}, successThreshold: 2}"):                                                             "spec.containers[0].livenessProbe: successThreshold 2",
		inContainer("startupProbe: {exec: {command: [a]}, successThreshold: 2}"):                                                              "spec.containers[0].startupProbe: successThreshold 2",
		inContainer("readinessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 2}"):                                               "spec.containers[0].readinessProbe: terminationGracePeriodSeconds",
		inContainer("livenessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 0}"):                                                "terminationGracePeriodSeconds 0 is out of range",
		inContainer("livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: a b}]}}"):                                                        `httpGet.httpHeaders[0].name: "a b"`,
		inContainer("lifecycle: {postStart: {}}"):                                                                                             "spec.containers[0].lifecycle.postStart: it is none of",
		inContainer("env: [{name: A, valueFrom: {fieldRef: {fieldPath: a}, resourceFieldRef: {}}}]"):                                          "spec.containers[0].env[0].valueFrom: fieldRef and resourceFieldRef contradict",
		inContainer("envFrom: [{configMapRef: {name: a}, secretRef: {name: a}}]"):                                                             "spec.containers[0].envFrom[0]: configMapRef and secretRef contradict",
		inContainer("resources: {limits: {memory: -1}}"):                                                                                      "spec.containers[0].resources.limits[memory]: -1 is negative",
		inContainer("resources: {limits: {memory: 1Mi}, requests: {memory: 2Mi}}"):                                                            "spec.containers[0].resources.requests[memory]: 2Mi is more than the limit 1Mi",
		inContainer("ports: [{containerPort: 1, hostPort: 1, hostIP: a}]"):                                                                    `spec.containers[0].ports[0]: hostIP "a"`,
		inContainer("ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]"):                                                      "spec.containers[0].ports[1].name: there are two ports a",
		inPod("containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a/}]}], volumes: [{name: v}]"): "spec.containers[0].volumeMounts[1].mountPath: there are two mounts on /a",
		inPod("hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 8080}]}]"):                           "spec.containers[0].ports[0].hostPort: with hostNetwork it must be the containerPort 80, not 8080",
		inDevice("subPath: a"):     "spec.containers[0].volumeMounts[0].subPath: a device has nothing below it",
		inDevice("subPathExpr: a"): "spec.containers[0].volumeMounts[0].subPath: a device has nothing below it",
		inContainer("securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: a.json}}"):                                                  `localhostProfile "a.json" goes with type Localhost, not with RuntimeDefault`,
		inContainer("securityContext: {appArmorProfile: {type: Unconfined, localhostProfile: a}}"):                                                          `localhostProfile "a" goes with type Localhost, not with Unconfined`,
		inPod("containers: [{name: c, image: i}], securityContext: {fsGroupChangePolicy: Foo}"):                                                             `spec.securityContext.fsGroupChangePolicy: "Foo" is neither OnRootMismatch nor Always`,
		inVolumes("emptyDir: {}, hostPath: {path: /}"):                                                                                                      "spec.volumes[0]: hostPath and emptyDir contradict",
		inVolumes("emptyDir: {sizeLimit: -1}"):                                                                                                              "spec.volumes[0].emptyDir.sizeLimit: -1 is negative",
		inVolumes("projected: {sources: [{}]}"):                                                                                                             "spec.volumes[0].projected: it names no source",
		inVolumes("projected: {sources: [{secret: {name: a}, configMap: {name: b}}, {}]}"):                                                                  "spec.volumes[0].projected.sources[0]: secret and configMap contradict",
		inPod("containers: [{name: c, image: i}], hostname: a b"):                                                                                           `spec.hostname: "a b"`,
		inPod("containers: [{name: c, image: i}], subdomain: a b"):                                                                                          `spec.subdomain: "a b"`,
		inPod("containers: [{name: c, image: i}], hostAliases: [{ip: a, hostnames: [b]}]"):                                                                  `spec.hostAliases[0].ip: "a"`,
		inPod("containers: [{name: c, image: i}], hostAliases: [{ip: 192.0.2.1, hostnames: [a b]}]"):                                                        `spec.hostAliases[0].hostnames: "a b"`,
		inPod("containers: [{name: c, image: i}], dnsConfig: {nameservers: [a]}"):                                                                           `spec.dnsConfig.nameservers[0]: "a"`,
		inPod("containers: [{name: c, image: i}], dnsConfig: {options: [{value: a}]}"):                                                                      "spec.dnsConfig.options[0].name: it is missing",
		inContainer("resources: {limits: {cpu: 1, memory: 10Foo}}"):                                                                                         "cannot read Pod p: spec.containers[0].resources.limits[memory]: ",
		inVolumes("emptyDir: {sizeLimit: abc}"):                                                                                                             "cannot read Pod p: spec.volumes[0].emptyDir.sizeLimit: ",
		inPod("containers: [{name: c, image: i}], securityContext: {sysctls: [{name: kernel.sem, value: a}, {name: kernel/sem, value: b}]}"):                "spec.securityContext.sysctls[1].name: there are two values of kernel.sem",
		"{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {good: YQ==, plain: word!}}":                                                             "cannot read Secret a: data[plain]: illegal base64",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: word!}, binaryData: {b: word!}}":                                                  "cannot read ConfigMap a: binaryData[b]: illegal base64",
		workload("batch/v1", "Job", "completions: -1"):                                                                                                      "spec.completions is -1",
		workload("batch/v1", "Job", "backoffLimit: -1"):                                                                                                     "spec.backoffLimit is -1",
		workload("batch/v1", "Job", "completionMode: A"):                                                                                                    `spec.completionMode "A"`,
		workload("batch/v1", "Job", "completionMode: Indexed"):                                                                                              "spec.completions is missing",
		workload("apps/v1", "StatefulSet", "ordinals: {start: -1}"):                                                                                         "spec.ordinals.start is -1",
		workload("apps/v1", "StatefulSet", "volumeClaimTemplates: [{spec: {}}]"):                                                                            `spec.volumeClaimTemplates[0].metadata.name: "" is no name`,
		workload("apps/v1", "StatefulSet", "volumeClaimTemplates: [{metadata: {name: a}}, {metadata: {name: a}}]"):                                          "spec.volumeClaimTemplates[1].metadata.name: there are two claims a",
		"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: a}}, {apiVersion: v1, kind: Service, metadata: {name: a}}]}": "Service a: there are two of that name",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: c}}":                                                                              "nothing is made of what it holds, ConfigMap a",
		"{apiVersion: a/v1, kind: AllowList, metadata: {name: a}}":                                                                                          "nothing is made of what it holds, AllowList a",
	} {
		plan, _, err := Plan(source([]byte(yaml)))
		if plan != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n\twanted: %s\n\tgot: %v", yaml, want, err)
		}
	}
}

// TestWarns: what cannot have its effect is spoken of.
func TestWarns(t *testing.T) {
	for yaml, want := range map[string]string{
		inPod("hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80, hostIP: 127.0.0.1}]}]"):                                     "spec.containers[0].ports[0].hostIP has no effect",
		inDevice("mountPropagation: HostToContainer"):                                                                                                      "spec.containers[0].volumeMounts[0].mountPropagation has no effect on a device",
		"{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {io.podman.annotations.cid-file/c: /a}}, spec: {containers: [{name: c, image: i}]}}": "metadata.annotations[io.podman.annotations.cid-file/c] is not supported",
	} {
		_, warnings, err := Plan(source([]byte(yaml)))
		if err != nil || !strings.Contains(strings.Join(warnings, "\n"), want) {
			t.Errorf("%s\n\twanted: %s\n\tgot: %v %q", yaml, want, err, warnings)
		}
	}
}

// TestReadOnlyDevice: a device that is mounted read-only is not written to.
func TestReadOnlyDevice(t *testing.T) {
	plan, _, err := Plan(source([]byte(inDevice("readOnly: true"))))
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Pods[0].Containers[0].Spec.Mounts.Devices; len(got) != 1 || got[0] != "/dev/null:/dev/v:r" {
		t.Errorf("the devices are %q", got)
	}
}

// TestCoveredFiles: of two files with the same path in a projected volume the
// later one is there, and the other one is spoken of.
func TestCoveredFiles(t *testing.T) {
	const downward = "{downwardAPI: {items: [{path: user, fieldRef: {fieldPath: metadata.name}}]}}"
	plan, warnings, err := Plan(source([]byte(inVolumes("projected: {sources: [{secret: {name: stored}}, " + downward + "]}"))))
	if err != nil {
		t.Fatal(err)
	}
	v := plan.Pods[0].Volumes[0]
	if len(v.Files) != 1 || len(v.Secrets) != 1 || len(v.Secrets[0].Items) != 1 || v.Secrets[0].Items[0].Path != "password" {
		t.Errorf("the volume is %+v", v)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "spec.volumes[0].projected.sources[1] has user") {
		t.Errorf("warnings: %q", warnings)
	}
}

// TestNoNetworkNoPorts: a port that cannot be published is spoken of, once.
func TestNoNetworkNoPorts(t *testing.T) {
	src := source([]byte("{apiVersion: apps/v1, kind: Deployment, metadata: {name: w}, spec: {replicas: 2, template: {spec: {containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 2}]}]}}}}"))
	src.Options.Network = []string{"none"}
	plan, warnings, err := Plan(src)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "has ports that are not published") {
		t.Errorf("warnings: %q", warnings)
	}
	for _, pod := range plan.Pods {
		if len(pod.Infra.Network.Ports) > 0 {
			t.Errorf("%s publishes %v", pod.Spec.Name, pod.Infra.Network.Ports)
		}
	}
}
