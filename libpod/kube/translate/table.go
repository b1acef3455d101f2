package translate

import "slices"

// level is how much of a field carob honours.
type level string

const (
	yes    level = "yes"
	partly level = "partly" // the note says which part; the rest is warned of
	no     level = "no"     // warned of where it is set
	// silent fields mean nothing on one host, or are written by a cluster and
	// not by people: no warning.
	silent level = "no effect"
)

// field is what the table says of a field.
type field struct {
	level level
	note  string
	// quiet values are what Kubernetes fills in by itself: not worth a
	// warning although the field is not honoured.
	quiet []string
}

func (f field) isQuiet(value string) bool { return slices.Contains(f.quiet, value) }

// kinds are the kinds of objects that are understood, and what becomes of
// them.
func kinds() map[string]field {
	return map[string]field{
		"Pod":                   {level: yes, note: "a pod of its name; its containers are POD-CONTAINER"},
		"Deployment":            {level: yes, note: "`replicas` pods, NAME-HASH-SUFFIX; no rolling update: --replace stops the old ones before the new ones start"},
		"ReplicaSet":            {level: yes, note: "`replicas` pods, NAME-SUFFIX"},
		"StatefulSet":           {level: yes, note: "`replicas` pods, NAME-0, NAME-1 ..., each with its own volumes"},
		"DaemonSet":             {level: yes, note: "one pod, NAME-SUFFIX: there is one node"},
		"Job":                   {level: partly, note: "`completions` pods, NAME-SUFFIX, `parallelism` at once; what fails is run again in place"},
		"ConfigMap":             {level: yes, note: "read by the pods of the same call"},
		"Secret":                {level: yes, note: "a secret of its name, as podman's kube play stores it"},
		"PersistentVolumeClaim": {level: yes, note: "a volume of its name, which outlives kube down"},
		"Service":               {level: partly, note: "kept and listed by `kube ls`; nothing balances yet"},
		"Namespace":             {level: partly, note: "a label on pods and containers, no namespace of names"},
		"List":                  {level: yes, note: "its items"},
	}
}

// table tells of every field of every type that is understood, by the type's
// name and the field's name in YAML. The translator warns by it, the page
// docs/kubernetes.md is written from it, and a test walks Kubernetes' types
// beside it.
func table() map[string]field {
	all := map[string]field{}
	for _, part := range []map[string]field{metaFields(), workloadFields(), podFields(), containerFields(), probeFields(), securityFields(), volumeFields(), objectFields()} {
		for k, f := range part {
			all[k] = f
		}
	}
	return all
}

func metaFields() map[string]field {
	return map[string]field{
		"TypeMeta.kind":                         {level: yes},
		"TypeMeta.apiVersion":                   {level: yes, note: "another group or version than the usual one is taken, with a warning"},
		"ObjectMeta.name":                       {level: yes},
		"ObjectMeta.generateName":               {level: yes, note: "the suffix is made of the object, so that it is the same each time"},
		"ObjectMeta.namespace":                  {level: partly, note: "a label, io.kubernetes.pod.namespace"},
		"ObjectMeta.labels":                     {level: yes, note: "on pods, their containers, volumes and secrets"},
		"ObjectMeta.annotations":                {level: yes, note: "on containers; those of podman have their meaning, see below"},
		"ObjectMeta.selfLink":                   {level: silent},
		"ObjectMeta.uid":                        {level: silent},
		"ObjectMeta.resourceVersion":            {level: silent},
		"ObjectMeta.generation":                 {level: silent},
		"ObjectMeta.creationTimestamp":          {level: silent},
		"ObjectMeta.deletionTimestamp":          {level: silent},
		"ObjectMeta.deletionGracePeriodSeconds": {level: silent},
		"ObjectMeta.managedFields":              {level: silent},
		"ObjectMeta.ownerReferences":            {level: no, note: "nothing removes objects with their owner"},
		"ObjectMeta.finalizers":                 {level: no, note: "nobody would run them"},
	}
}

func workloadFields() map[string]field {
	rollout := field{level: no, note: "there is no rolling update on one host"}
	history := field{level: silent, note: "no history is kept"}
	quietly := func(f field, values ...string) field { f.quiet = values; return f }
	return map[string]field{
		"Pod.metadata": {level: yes}, "Pod.spec": {level: yes}, "Pod.status": {level: silent},
		"PodTemplateSpec.metadata": {level: yes}, "PodTemplateSpec.spec": {level: yes},

		"Deployment.metadata": {level: yes}, "Deployment.spec": {level: yes}, "Deployment.status": {level: silent},
		"DeploymentSpec.replicas": {level: yes}, "DeploymentSpec.selector": {level: yes, note: "must fit the template's labels"},
		"DeploymentSpec.template": {level: yes}, "DeploymentSpec.strategy": {level: silent, note: "pods are replaced, all at once, by --replace"},
		"DeploymentSpec.minReadySeconds": rollout, "DeploymentSpec.revisionHistoryLimit": history, "DeploymentSpec.paused": rollout,
		"DeploymentSpec.progressDeadlineSeconds": quietly(rollout, "600"),

		"ReplicaSet.metadata": {level: yes}, "ReplicaSet.spec": {level: yes}, "ReplicaSet.status": {level: silent},
		"ReplicaSetSpec.replicas": {level: yes}, "ReplicaSetSpec.selector": {level: yes, note: "must fit the template's labels"},
		"ReplicaSetSpec.template": {level: yes}, "ReplicaSetSpec.minReadySeconds": rollout,

		"StatefulSet.metadata": {level: yes}, "StatefulSet.spec": {level: yes}, "StatefulSet.status": {level: silent},
		"StatefulSetSpec.replicas": {level: yes}, "StatefulSetSpec.selector": {level: yes, note: "must fit the template's labels"},
		"StatefulSetSpec.template": {level: yes}, "StatefulSetSpec.volumeClaimTemplates": {level: yes, note: "volumes TEMPLATE-POD"},
		"StatefulSetSpec.serviceName":                          {level: yes, note: "the pods' subdomain"},
		"StatefulSetSpec.podManagementPolicy":                  {level: partly, note: "all pods start at once, as with Parallel"},
		"StatefulSetSpec.updateStrategy":                       {level: silent, note: "pods are replaced, all at once, by --replace"},
		"StatefulSetSpec.revisionHistoryLimit":                 history,
		"StatefulSetSpec.minReadySeconds":                      rollout,
		"StatefulSetSpec.persistentVolumeClaimRetentionPolicy": {level: no, note: "volumes stay; kube down --force removes them"},
		"StatefulSetSpec.ordinals":                             {level: yes, note: "start"},
		"StatefulSetOrdinals.start":                            {level: yes},

		"DaemonSet.metadata": {level: yes}, "DaemonSet.spec": {level: yes}, "DaemonSet.status": {level: silent},
		"DaemonSetSpec.selector": {level: yes, note: "must fit the template's labels"}, "DaemonSetSpec.template": {level: yes},
		"DaemonSetSpec.updateStrategy":  {level: silent, note: "pods are replaced, all at once, by --replace"},
		"DaemonSetSpec.minReadySeconds": rollout, "DaemonSetSpec.revisionHistoryLimit": history,

		"Job.metadata": {level: yes}, "Job.spec": {level: yes}, "Job.status": {level: silent},
		"JobSpec.completions":             {level: yes, note: "that many pods"},
		"JobSpec.parallelism":             {level: yes, note: "that many run at once, 1 unless told; the next one starts when one has ended"},
		"JobSpec.activeDeadlineSeconds":   {level: yes, note: "each container's time"},
		"JobSpec.backoffLimit":            {level: partly, note: "restarts of each container, 6 unless told; when they are used up, pods that wait do not start"},
		"JobSpec.completionMode":          {level: yes, note: "Indexed sets JOB_COMPLETION_INDEX and the host name"},
		"JobSpec.template":                {level: yes},
		"JobSpec.selector":                {level: silent, note: "a job finds its pods by their origin"},
		"JobSpec.manualSelector":          {level: silent},
		"JobSpec.suspend":                 {level: yes, note: "pods are made and not started"},
		"JobSpec.ttlSecondsAfterFinished": {level: no, note: "kube down removes what has finished"},
		"JobSpec.podFailurePolicy":        {level: no}, "JobSpec.successPolicy": {level: no}, "JobSpec.backoffLimitPerIndex": {level: no},
		"JobSpec.maxFailedIndexes": {level: no}, "JobSpec.podReplacementPolicy": {level: no, quiet: []string{"TerminatingOrFailed"}}, "JobSpec.managedBy": {level: no},

		"LabelSelector.matchLabels": {level: yes}, "LabelSelector.matchExpressions": {level: no, note: "not compared with the template"},
	}
}

func podFields() map[string]field {
	oneNode := field{level: no, note: "there is one node and nothing to choose"}
	return map[string]field{
		"PodSpec.containers": {level: yes}, "PodSpec.volumes": {level: yes},
		"PodSpec.initContainers":                {level: yes, note: "run once, in order; the annotation io.podman.annotations.init.container.type=always has them run at each start"},
		"PodSpec.ephemeralContainers":           {level: no, note: "use exec"},
		"PodSpec.restartPolicy":                 {level: yes},
		"PodSpec.terminationGracePeriodSeconds": {level: yes, note: "without it carob's own 10 seconds"},
		"PodSpec.activeDeadlineSeconds":         {level: yes, note: "each container's time"},
		"PodSpec.dnsPolicy":                     {level: yes, note: "Default and the cluster's policies mean the host's servers, search domains and options, None those of dnsConfig alone"},
		"PodSpec.dnsConfig":                     {level: yes, note: "added to the host's, or to those of containers.conf, as in a cluster; podman puts it in their place"},
		"PodSpec.hostAliases":                   {level: yes},
		"PodSpec.hostname":                      {level: yes}, "PodSpec.subdomain": {level: partly, note: "HOSTNAME.SUBDOMAIN.NAMESPACE.svc.cluster.local is what hostname -f says in the pod; other pods do not know it"},
		"PodSpec.setHostnameAsFQDN": {level: yes}, "PodSpec.hostnameOverride": {level: yes},
		"PodSpec.hostNetwork": {level: yes}, "PodSpec.hostPID": {level: yes}, "PodSpec.hostIPC": {level: yes},
		"PodSpec.hostUsers":                    {level: yes, note: "false is --userns=auto: the pod's root owns what is in its other volumes, but nothing in a hostPath, which would need a mount that only root can make"},
		"PodSpec.shareProcessNamespace":        {level: yes},
		"PodSpec.securityContext":              {level: yes},
		"PodSpec.imagePullSecrets":             {level: yes, note: "secrets of type kubernetes.io/dockerconfigjson or dockercfg"},
		"PodSpec.resources":                    {level: yes, note: "limits of the whole pod"},
		"PodSpec.os":                           {level: partly, note: "linux"},
		"PodSpec.enableServiceLinks":           {level: silent, note: "no variables are made of services"},
		"PodSpec.serviceAccountName":           {level: silent, note: "there are no accounts"},
		"PodSpec.serviceAccount":               {level: silent, note: "there are no accounts"},
		"PodSpec.automountServiceAccountToken": {level: silent, note: "there are no accounts"},
		"PodSpec.nodeName":                     {level: silent, note: "there is one node"},
		"PodSpec.schedulerName":                {level: silent, note: "there is one node"},
		"PodSpec.nodeSelector":                 oneNode, "PodSpec.affinity": oneNode, "PodSpec.tolerations": {level: silent, note: "nothing here needs to be tolerated"},
		"PodSpec.topologySpreadConstraints": oneNode, "PodSpec.priorityClassName": oneNode, "PodSpec.priority": {level: no, note: "there is one node and nothing to choose", quiet: []string{"0"}},
		"PodSpec.preemptionPolicy": {level: silent, note: "there is one node"}, "PodSpec.schedulingGates": oneNode, "PodSpec.overhead": oneNode,
		"PodSpec.readinessGates": {level: no}, "PodSpec.runtimeClassName": {level: no, note: "use the global flag --runtime"},
		"PodSpec.resourceClaims": {level: no, note: "there are no drivers of dynamic resources"},

		"HostAlias.ip": {level: yes}, "HostAlias.hostnames": {level: yes},
		"PodDNSConfig.nameservers": {level: yes}, "PodDNSConfig.searches": {level: yes}, "PodDNSConfig.options": {level: yes},
		"PodDNSConfigOption.name": {level: yes}, "PodDNSConfigOption.value": {level: yes},
		"PodOS.name":                {level: partly, note: "linux"},
		"LocalObjectReference.name": {level: yes},
	}
}

func containerFields() map[string]field {
	return map[string]field{
		"Container.name": {level: yes}, "Container.image": {level: yes}, "Container.command": {level: yes}, "Container.args": {level: yes},
		"Container.workingDir": {level: yes}, "Container.ports": {level: yes}, "Container.env": {level: yes}, "Container.envFrom": {level: yes},
		"Container.resources": {level: yes, note: "cpu and memory"}, "Container.resizePolicy": {level: silent, note: "`update` changes limits without a restart"},
		"Container.restartPolicy":      {level: yes, note: "Always on an init container makes it a sidecar; what comes after it waits for its startup probe"},
		"Container.restartPolicyRules": {level: no},
		"Container.volumeMounts":       {level: yes}, "Container.volumeDevices": {level: yes, note: "for claims and host paths that are devices"},
		"Container.livenessProbe": {level: yes}, "Container.readinessProbe": {level: yes}, "Container.startupProbe": {level: yes},
		"Container.lifecycle":                {level: yes},
		"Container.terminationMessagePath":   {level: no, note: "see the exit code and the logs", quiet: []string{"/dev/termination-log"}},
		"Container.terminationMessagePolicy": {level: no, note: "see the exit code and the logs", quiet: []string{"File"}},
		"Container.imagePullPolicy":          {level: yes, note: "without it what a named registry calls :latest is pulled when it is newer, else IfNotPresent; podman's Newer is known"},
		"Container.securityContext":          {level: yes},
		"Container.stdin":                    {level: yes}, "Container.tty": {level: yes}, "Container.stdinOnce": {level: no, note: "stdin stays open for the next attach"},

		"ContainerPort.name": {level: yes}, "ContainerPort.containerPort": {level: yes}, "ContainerPort.protocol": {level: yes},
		"ContainerPort.hostPort": {level: yes, note: "with hostNetwork the containerPort or none"}, "ContainerPort.hostIP": {level: yes},

		"EnvVar.name": {level: yes}, "EnvVar.value": {level: yes}, "EnvVar.valueFrom": {level: yes},
		"EnvVarSource.configMapKeyRef": {level: yes}, "EnvVarSource.secretKeyRef": {level: yes, note: "read at each start; never in inspect"},
		"EnvVarSource.fieldRef":         {level: yes, note: "metadata.*, spec.nodeName, spec.serviceAccountName, status.hostIP(s), status.podIP(s), the address that pasta or slirp4netns gives the pod"},
		"EnvVarSource.resourceFieldRef": {level: yes}, "EnvVarSource.fileKeyRef": {level: no},
		"ConfigMapKeySelector.name": {level: yes}, "ConfigMapKeySelector.key": {level: yes}, "ConfigMapKeySelector.optional": {level: yes},
		"SecretKeySelector.name": {level: yes}, "SecretKeySelector.key": {level: yes}, "SecretKeySelector.optional": {level: yes},
		"ObjectFieldSelector.apiVersion": {level: silent}, "ObjectFieldSelector.fieldPath": {level: yes},
		"ResourceFieldSelector.containerName": {level: yes}, "ResourceFieldSelector.resource": {level: yes}, "ResourceFieldSelector.divisor": {level: yes},
		"EnvFromSource.prefix": {level: yes}, "EnvFromSource.configMapRef": {level: yes}, "EnvFromSource.secretRef": {level: yes},
		"ConfigMapEnvSource.name": {level: yes}, "ConfigMapEnvSource.optional": {level: yes},
		"SecretEnvSource.name": {level: yes}, "SecretEnvSource.optional": {level: yes},

		"ResourceRequirements.limits":   {level: partly, note: "cpu and memory; where the host cannot limit, a warning"},
		"ResourceRequirements.requests": {level: partly, note: "cpu as weight, memory as reservation"},
		"ResourceRequirements.claims":   {level: no},
		"VolumeMount.name":              {level: yes}, "VolumeMount.mountPath": {level: yes}, "VolumeMount.readOnly": {level: yes},
		"VolumeMount.recursiveReadOnly": {level: no, note: "mounts below are not made read-only", quiet: []string{"Disabled"}},
		"VolumeMount.subPath":           {level: yes}, "VolumeMount.subPathExpr": {level: yes}, "VolumeMount.mountPropagation": {level: yes},
		"VolumeDevice.name": {level: yes}, "VolumeDevice.devicePath": {level: yes},
	}
}

func probeFields() map[string]field {
	return map[string]field{
		"Probe.exec": {level: yes}, "Probe.httpGet": {level: yes}, "Probe.tcpSocket": {level: yes}, "Probe.grpc": {level: yes},
		"Probe.initialDelaySeconds": {level: yes}, "Probe.timeoutSeconds": {level: yes}, "Probe.periodSeconds": {level: yes},
		"Probe.successThreshold": {level: yes}, "Probe.failureThreshold": {level: yes}, "Probe.terminationGracePeriodSeconds": {level: yes},
		"Lifecycle.postStart": {level: yes}, "Lifecycle.preStop": {level: yes}, "Lifecycle.stopSignal": {level: yes},
		"LifecycleHandler.exec": {level: yes}, "LifecycleHandler.httpGet": {level: yes}, "LifecycleHandler.tcpSocket": {level: no, note: "deprecated, and never did anything in Kubernetes"},
		"LifecycleHandler.sleep": {level: yes}, "SleepAction.seconds": {level: yes}, "ExecAction.command": {level: yes},
		"HTTPGetAction.path": {level: yes}, "HTTPGetAction.port": {level: yes}, "HTTPGetAction.host": {level: yes, note: "as seen from inside the pod"},
		"HTTPGetAction.scheme": {level: yes}, "HTTPGetAction.httpHeaders": {level: yes}, "HTTPHeader.name": {level: yes}, "HTTPHeader.value": {level: yes},
		"TCPSocketAction.port": {level: yes}, "TCPSocketAction.host": {level: yes, note: "as seen from inside the pod"},
		"GRPCAction.port": {level: yes}, "GRPCAction.service": {level: yes},
	}
}

const seLinuxNote = "where SELinux is on, elsewhere warned of"

func securityFields() map[string]field {
	windows := field{level: no, note: "for Windows"}
	return map[string]field{
		"SecurityContext.capabilities": {level: yes}, "SecurityContext.privileged": {level: yes}, "SecurityContext.seLinuxOptions": {level: yes, note: seLinuxNote},
		"SecurityContext.windowsOptions": windows, "SecurityContext.runAsUser": {level: yes}, "SecurityContext.runAsGroup": {level: yes},
		"SecurityContext.runAsNonRoot": {level: yes}, "SecurityContext.readOnlyRootFilesystem": {level: yes, note: "no tmpfs on /tmp and its like, as in Kubernetes"},
		"SecurityContext.allowPrivilegeEscalation": {level: yes}, "SecurityContext.procMount": {level: yes}, "SecurityContext.seccompProfile": {level: yes},
		"SecurityContext.appArmorProfile": {level: yes},
		"Capabilities.add":                {level: yes}, "Capabilities.drop": {level: yes},
		"SELinuxOptions.user": {level: yes}, "SELinuxOptions.role": {level: yes}, "SELinuxOptions.type": {level: yes}, "SELinuxOptions.level": {level: yes},
		"SeccompProfile.type": {level: yes}, "SeccompProfile.localhostProfile": {level: yes, note: "below --seccomp-profile-root"},
		"AppArmorProfile.type": {level: yes}, "AppArmorProfile.localhostProfile": {level: yes},
		"PodSecurityContext.seLinuxOptions": {level: yes, note: seLinuxNote}, "PodSecurityContext.windowsOptions": windows, "PodSecurityContext.runAsUser": {level: yes},
		"PodSecurityContext.runAsGroup": {level: yes}, "PodSecurityContext.runAsNonRoot": {level: yes}, "PodSecurityContext.supplementalGroups": {level: yes},
		"PodSecurityContext.supplementalGroupsPolicy": {level: no, note: "groups of the image are merged", quiet: []string{"Merge"}},
		"PodSecurityContext.fsGroup":                  {level: yes, note: "on emptyDir, claims and files of configMap, secret and projected"},
		"PodSecurityContext.fsGroupChangePolicy":      {level: partly, note: "OnRootMismatch always", quiet: []string{"OnRootMismatch"}},
		"PodSecurityContext.sysctls":                  {level: yes}, "Sysctl.name": {level: yes}, "Sysctl.value": {level: yes},
		"PodSecurityContext.seccompProfile": {level: yes}, "PodSecurityContext.appArmorProfile": {level: yes},
		"PodSecurityContext.seLinuxChangePolicy": {level: no},
	}
}

func volumeFields() map[string]field {
	all := map[string]field{
		"Volume.name": {level: yes}, "Volume.hostPath": {level: yes, note: "a path without a slash names a volume"}, "Volume.emptyDir": {level: yes}, "Volume.configMap": {level: yes},
		"Volume.secret": {level: yes}, "Volume.persistentVolumeClaim": {level: yes}, "Volume.projected": {level: yes}, "Volume.downwardAPI": {level: yes},
		"Volume.image": {level: yes}, "Volume.ephemeral": {level: no, note: "use emptyDir"},

		"HostPathVolumeSource.path": {level: yes}, "HostPathVolumeSource.type": {level: yes, note: "devices become devices of the container"},
		"EmptyDirVolumeSource.medium": {level: partly, note: "Memory is a tmpfs; huge pages are warned of"}, "EmptyDirVolumeSource.sizeLimit": {level: partly, note: "with medium Memory"},
		"ConfigMapVolumeSource.name": {level: yes}, "ConfigMapVolumeSource.items": {level: yes}, "ConfigMapVolumeSource.defaultMode": {level: yes}, "ConfigMapVolumeSource.optional": {level: yes},
		"SecretVolumeSource.secretName": {level: yes}, "SecretVolumeSource.items": {level: yes}, "SecretVolumeSource.defaultMode": {level: yes}, "SecretVolumeSource.optional": {level: yes},
		"KeyToPath.key": {level: yes}, "KeyToPath.path": {level: yes}, "KeyToPath.mode": {level: yes},
		"PersistentVolumeClaimVolumeSource.claimName": {level: yes}, "PersistentVolumeClaimVolumeSource.readOnly": {level: yes},
		"ProjectedVolumeSource.sources": {level: yes}, "ProjectedVolumeSource.defaultMode": {level: yes},
		"VolumeProjection.secret": {level: yes}, "VolumeProjection.configMap": {level: yes}, "VolumeProjection.downwardAPI": {level: yes},
		"VolumeProjection.serviceAccountToken": {level: no, note: "there are no accounts"}, "VolumeProjection.clusterTrustBundle": {level: no}, "VolumeProjection.podCertificate": {level: no},
		"SecretProjection.name": {level: yes}, "SecretProjection.items": {level: yes}, "SecretProjection.optional": {level: yes},
		"ConfigMapProjection.name": {level: yes}, "ConfigMapProjection.items": {level: yes}, "ConfigMapProjection.optional": {level: yes},
		"DownwardAPIProjection.items":   {level: yes},
		"DownwardAPIVolumeSource.items": {level: yes}, "DownwardAPIVolumeSource.defaultMode": {level: yes},
		"DownwardAPIVolumeFile.path": {level: yes}, "DownwardAPIVolumeFile.fieldRef": {level: yes}, "DownwardAPIVolumeFile.resourceFieldRef": {level: yes}, "DownwardAPIVolumeFile.mode": {level: yes},
		"ImageVolumeSource.reference": {level: yes}, "ImageVolumeSource.pullPolicy": {level: yes},
	}
	for _, name := range []string{
		"gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile",
		"vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos", "csi",
	} {
		all["Volume."+name] = field{level: no, note: "a cluster's storage; use a claim"}
	}
	return all
}

func objectFields() map[string]field {
	provision := field{level: silent, note: "a volume is a directory; see the volume.podman.io annotations"}
	return map[string]field{
		"ConfigMap.metadata": {level: yes}, "ConfigMap.data": {level: yes}, "ConfigMap.binaryData": {level: yes}, "ConfigMap.immutable": {level: silent},
		"Secret.metadata": {level: yes}, "Secret.data": {level: yes}, "Secret.stringData": {level: yes}, "Secret.type": {level: yes}, "Secret.immutable": {level: silent},
		"PersistentVolumeClaim.metadata": {level: yes}, "PersistentVolumeClaim.spec": {level: yes}, "PersistentVolumeClaim.status": {level: silent},
		"PersistentVolumeClaimSpec.accessModes": provision, "PersistentVolumeClaimSpec.resources": {level: silent, note: "a volume has no size of its own"},
		"PersistentVolumeClaimSpec.storageClassName": provision, "PersistentVolumeClaimSpec.volumeMode": {level: no, note: "claims are directories", quiet: []string{"Filesystem"}},
		"PersistentVolumeClaimSpec.volumeName": {level: no, note: "the volume has the claim's name"}, "PersistentVolumeClaimSpec.selector": {level: no},
		"PersistentVolumeClaimSpec.dataSource": {level: no}, "PersistentVolumeClaimSpec.dataSourceRef": {level: no}, "PersistentVolumeClaimSpec.volumeAttributesClassName": {level: no},
		"Service.metadata": {level: yes}, "Service.spec": {level: silent, note: "kept as it is; balancing comes later"}, "Service.status": {level: silent},
		"Namespace.metadata": {level: yes}, "Namespace.spec": {level: silent}, "Namespace.status": {level: silent},
	}
}
