#!/usr/bin/env bash
# demo-steps.sh: what `make demo` shows, as an unprivileged account with carob
# on PATH and the test images in $IMAGES. Every command is printed first; one
# that fails ends the demo.
set -euo pipefail
cd "$HOME"

say() { printf '\n# %s\n' "$*"; }
show() {
	printf '$'
	printf ' %q' "$@"
	printf '\n'
	"$@"
}
clean_up() {
	carob rm --all --force --time 0 >/dev/null 2>&1 || true
	carob volume prune --force >/dev/null 2>&1 || true
	carob system migrate >/dev/null 2>&1 || true # ends the keeper
}
trap clean_up EXIT

say "We are $(id -un), without any rights. No registry is near: images come from files."
show id
show carob load --input "$IMAGES/busybox.tar"
show carob load --input "$IMAGES/httpd.oci.tar"
show carob images

say "A container in the foreground: root inside, nobody outside."
show carob run --rm busybox id
show carob run --rm busybox sh -c 'echo to stdout; echo to stderr >&2; hostname; head -2 /proc/self/uid_map'
echo 'through a pipe' | show carob run --rm --interactive busybox tr a-z A-Z
show carob run --rm busybox sh -c 'exit 7' || echo "exit code: $?"

say "A server in the background, its port published."
show carob run --detach --name web --publish 127.0.0.1::80 --restart on-failure httpd
show carob ps
address=$(carob port web 80/tcp | head -1)
show curl --silent --show-error --retry 5 --retry-connrefused "http://$address/"
show carob exec web sh -c 'echo "changed inside" >/www/index.html; ps'
show curl --silent --show-error "http://$address/"
show carob logs web
show carob top web
show carob diff web

say "Data outlives containers in a volume."
show carob volume create data
show carob run --rm --volume data:/data busybox sh -c 'echo kept >/data/file'
show carob run --rm --volume data:/data:ro busybox cat /data/file

say "A program that dies is started again, by the container's own monitor."
show carob run --detach --name flaky --restart on-failure:2 busybox sh -c 'echo started; sleep 0.2; exit 3'
show carob wait flaky
show carob logs flaky

say "A pod: containers that reach each other on localhost; the pod outlives the death of what holds it together."
show carob pod create --name shop --publish 127.0.0.1::80
show carob run --detach --pod shop --name front httpd
show carob run --rm --pod shop busybox wget -qO- http://localhost/
infra=$(carob pod inspect --format '{{.InfraContainerID}}' shop)
show kill -9 "$(carob inspect --format '{{.State.Pid}}' "$infra")"
show carob pod ps
show carob pod start shop
show carob pod ps
show carob pod rm --force --time 0 shop

say "Kubernetes YAML, without a cluster: a pod with a volume claim, a secret and a probe."
cat >guestbook.yaml <<'YAML'
apiVersion: v1
kind: Secret
metadata: {name: words}
stringData: {greeting: "hello from a secret"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: pages}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: guestbook}
spec:
  initContainers:
  - name: write
    image: localhost/busybox
    imagePullPolicy: Never
    command: [sh, -c, 'echo "$GREETING" >/pages/index.html']
    env: [{name: GREETING, valueFrom: {secretKeyRef: {name: words, key: greeting}}}]
    volumeMounts: [{name: pages, mountPath: /pages}]
  containers:
  - name: web
    image: localhost/busybox
    imagePullPolicy: Never
    command: [httpd, -f, -h, /pages, -p, "80"]
    volumeMounts: [{name: pages, mountPath: /pages}]
    livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
  volumes:
  - {name: pages, persistentVolumeClaim: {claimName: pages}}
YAML
show cat guestbook.yaml
show carob kube play guestbook.yaml
show carob ps --pod
show carob exec guestbook-web wget -qO- http://localhost/
show carob kube down guestbook.yaml
show carob volume ls

say "Away with it all; nothing of carob keeps running."
show carob stop --time 2 web
show carob ps --all
show carob rm web flaky
show carob volume rm data pages
show carob ps --all
