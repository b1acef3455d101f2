package quadlet

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// containerKeys are those of [Container].
var containerKeys = []key{
	{name: "AddCapability", flag: "--cap-add", put: nil, note: "`--cap-add`"},
	{name: "AddDevice", flag: "--device", put: device},
	{name: "AddHost", flag: "--add-host", put: each},
	{name: "Annotation", flag: "--annotation", put: pairs},
	{name: "AppArmor", flag: "--security-opt apparmor=", put: joined},
	{name: "AutoUpdate", flag: "--label io.containers.autoupdate=", put: joined},
	{name: "CgroupsMode", put: cgroupsMode, note: "`--cgroups`, otherwise `split`"},
	{name: "ContainerName", note: "`--name`, otherwise `systemd-%N`"},
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "DNS", flag: "--dns", put: each},
	{name: "DNSOption", flag: "--dns-option", put: each},
	{name: "DNSSearch", flag: "--dns-search", put: each},
	{name: "DropCapability", flag: "--cap-drop", put: capabilities},
	{name: "Entrypoint", flag: "--entrypoint", put: entrypoint},
	{name: "Environment", flag: "--env", put: pairs},
	{name: "EnvironmentFile", flag: "--env-file", put: paths},
	{name: "EnvironmentHost", flag: "--env-host", put: yesNo},
	{name: "Exec", note: "the command, after the image"},
	{name: "ExposeHostPort", flag: "--expose", put: exposed},
	{name: "GIDMap", flag: "--gidmap", put: words},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "Group", note: "`--user USER:GROUP`"},
	{name: "GroupAdd", flag: "--group-add", put: each},
	{name: "HealthCmd", flag: "--health-cmd", put: last},
	{name: "HealthInterval", flag: "--health-interval", put: last},
	{name: "HealthLogDestination", flag: "--health-log-destination", put: last},
	{name: "HealthMaxLogCount", flag: "--health-max-log-count", put: last},
	{name: "HealthMaxLogSize", flag: "--health-max-log-size", put: last},
	{name: "HealthOnFailure", flag: "--health-on-failure", put: last},
	{name: "HealthRetries", flag: "--health-retries", put: last},
	{name: "HealthStartPeriod", flag: "--health-start-period", put: last},
	{name: "HealthStartupCmd", flag: "--health-startup-cmd", put: last},
	{name: "HealthStartupInterval", flag: "--health-startup-interval", put: last},
	{name: "HealthStartupRetries", flag: "--health-startup-retries", put: last},
	{name: "HealthStartupSuccess", flag: "--health-startup-success", put: last},
	{name: "HealthStartupTimeout", flag: "--health-startup-timeout", put: last},
	{name: "HealthTimeout", flag: "--health-timeout", put: last},
	{name: "HostName", flag: "--hostname", put: last},
	{name: "HttpProxy", flag: "--http-proxy", put: yesNo},
	{name: "IP", flag: "--ip", put: last},
	{name: "IP6", flag: "--ip6", put: last},
	{name: "Image", note: "the image; of a unit `.image` or `.build` its image"},
	{name: "ImageVolume", flag: "--image-volume", put: last},
	{name: "Label", flag: "--label", put: pairs},
	{name: "LogDriver", flag: "--log-driver", put: last},
	{name: "LogOpt", flag: "--log-opt", put: words},
	{name: "Mask", flag: "--security-opt mask=", put: arguments},
	{name: "Memory", flag: "--memory", put: last},
	{name: "Mount", flag: "--mount", put: mount},
	{name: "Network", flag: "--network", put: network},
	{name: "NetworkAlias", flag: "--network-alias", put: each},
	{name: "NoNewPrivileges", flag: "--security-opt no-new-privileges", put: onlyYes},
	{name: "Notify", note: "`--sdnotify container`, with `healthy` `--sdnotify healthy`, otherwise `conmon`"},
	{name: "PidsLimit", flag: "--pids-limit", put: last},
	{name: "Pod", flag: "--pod", put: pod},
	{name: "PodmanArgs", note: "words before the image"},
	{name: "PublishPort", flag: "--publish", put: each},
	{name: "Pull", flag: "--pull", put: last},
	{name: "ReadOnly", flag: "--read-only", put: yesNo},
	{name: "ReadOnlyTmpfs", flag: "--read-only-tmpfs", put: yesNo},
	{name: "ReloadCmd", note: "`ExecReload=` with `carob exec`"},
	{name: "ReloadSignal", note: "`ExecReload=` with `carob kill`"},
	{name: "RemapGid", note: "older form of GIDMap"},
	{name: "RemapUid", note: "older form of UIDMap"},
	{name: "RemapUidSize", note: "older form of `UserNS=auto:size=`"},
	{name: "RemapUsers", put: remap, note: "older form of UserNS: `manual`, `auto`, `keep-id`"},
	{name: "Retry", flag: "--retry", put: last},
	{name: "RetryDelay", flag: "--retry-delay", put: last},
	{name: "Rootfs", note: "`--rootfs`, in place of an image"},
	{name: "RunInit", flag: "--init", put: yesNo},
	{name: "SeccompProfile", flag: "--security-opt seccomp=", put: joined},
	{name: "Secret", flag: "--secret", put: arguments},
	{name: "SecurityLabelDisable", flag: "--security-opt label=disable", put: onlyYes},
	{name: "SecurityLabelFileType", flag: "--security-opt label=filetype:", put: joined},
	{name: "SecurityLabelLevel", flag: "--security-opt label=level:", put: joined},
	{name: "SecurityLabelNested", flag: "--security-opt label=nested", put: onlyYes},
	{name: "SecurityLabelType", flag: "--security-opt label=type:", put: joined},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "ShmSize", flag: "--shm-size", put: last},
	{name: "StartWithPod", note: "`no`: the pod does not start the container"},
	{name: "StopSignal", flag: "--stop-signal", put: last},
	{name: "StopTimeout", flag: "--stop-timeout", put: last},
	{name: "SubGIDMap", flag: "--subgidname", put: last},
	{name: "SubUIDMap", flag: "--subuidname", put: last},
	{name: "Sysctl", flag: "--sysctl", put: words},
	{name: "Timezone", flag: "--tz", put: last},
	{name: "Tmpfs", flag: "--tmpfs", put: each},
	{name: "UIDMap", flag: "--uidmap", put: words},
	{name: "Ulimit", flag: "--ulimit", put: each},
	{name: "Umask", flag: "--umask", put: last},
	{name: "Unmask", flag: "--security-opt unmask=", put: arguments},
	{name: "User", put: user, note: "`--user`"},
	{name: "UserNS", flag: "--userns", put: last},
	{name: "VolatileTmp", put: volatileTmp, note: "a tmpfs at `/tmp`, unless ReadOnly has made one"},
	{name: "Volume", flag: "--volume", put: volume},
	{name: "WorkingDir", flag: "--workdir", put: last},
}

func convertContainer(c *conversion) error {
	if err := c.refuseServiceUser(); err != nil {
		return err
	}
	image, err := c.imageOf("Image")
	if err != nil {
		return err
	}
	rootfs := c.last("Rootfs")
	switch {
	case image == "" && rootfs == "":
		return c.fail("Image", "no Image or Rootfs key specified")
	case image != "" && rootfs != "":
		return c.fail("Rootfs", "Image and Rootfs cannot be set together")
	}
	supervised, err := c.supervised()
	if err != nil {
		return err
	}
	c.out.Add(serviceSection, "Delegate", "yes")
	if err := c.endings(); err != nil {
		return err
	}
	c.add("run", "--name", c.containerName(), "--replace", "--rm")
	if err := c.notify(supervised); err != nil {
		return err
	}
	if err := c.keys(); err != nil {
		return err
	}
	if rootfs != "" {
		c.add("--rootfs", rootfs)
	} else {
		c.add(image)
	}
	if e, ok := c.file.Last(c.kind.section, "Exec"); ok {
		command, err := unitfile.SplitCommand(e.Value)
		if err != nil {
			return e.Fail("Exec: %v", err)
		}
		c.add(command...)
	}
	return c.exec("ExecStart", c.cmd...)
}

// refuseServiceUser: carob has to run as the user whose service manager it is.
func (c *conversion) refuseServiceUser() error {
	for _, name := range []string{"User", "Group", "DynamicUser"} {
		if e, ok := c.file.Last(serviceSection, name); ok && e.Value != "" {
			return e.Fail("using key %s in the Service group is not supported: install the unit for that user, or set User in [Container]", name)
		}
	}
	return nil
}

// endings adds what is run at the end of the service, and when it reloads.
func (c *conversion) endings() error {
	name := c.containerName()
	if err := c.exec("ExecStop", "rm", "-v", "-f", "-i", name); err != nil {
		return err
	}
	// When the main process was killed ExecStop is not run, only this.
	post, err := c.carob("rm", "-v", "-f", "-i", name)
	if err != nil {
		return err
	}
	c.out.Add(serviceSection, "ExecStopPost", "-"+unitfile.Join(post))

	signal := c.last("ReloadSignal")
	e, _ := c.file.Last(c.kind.section, "ReloadCmd")
	switch {
	case e.Value != "" && signal != "":
		return e.Fail("ReloadCmd and ReloadSignal cannot be set together")
	case e.Value != "":
		command, err := unitfile.SplitCommand(e.Value)
		if err != nil {
			return e.Fail("ReloadCmd: %v", err)
		}
		return c.exec("ExecReload", append([]string{"exec", name}, command...)...)
	case signal != "":
		return c.exec("ExecReload", "kill", "--signal", signal, name)
	}
	return nil
}

// notify says who tells systemd that the service is up.
func (c *conversion) notify(supervised bool) error {
	e, _ := c.file.Last(c.kind.section, "Notify")
	mode := "conmon"
	if strings.EqualFold(unitfile.Text(e.Value), "healthy") {
		mode = "healthy"
	} else if e.Value != "" {
		on, err := unitfile.Bool(e.Value)
		if err != nil {
			return e.Fail("Notify: %v, nor healthy", err)
		}
		if on {
			mode = "container"
		}
	}
	if supervised {
		c.add("--sdnotify="+mode, "-d") // the monitor is the main process
	}
	return nil
}

func cgroupsMode(c *conversion, k key) error {
	mode := c.last(k.name)
	if mode == "" {
		mode = "split"
	}
	c.add("--cgroups=" + mode)
	return nil
}

// capabilities puts those that are dropped before those that are added.
func capabilities(c *conversion, k key) error {
	if err := lower(c, k); err != nil {
		return err
	}
	return lower(c, key{name: "AddCapability", flag: "--cap-add"})
}

// entrypoint may be empty: the image's is not used then.
func entrypoint(c *conversion, k key) error {
	if e, ok := c.file.Last(c.kind.section, k.name); ok {
		c.add(k.flag + "=" + unitfile.Text(e.Value))
	}
	return nil
}

// device leaves out a device with a - in front that the host does not have.
func device(c *conversion, k key) error {
	devices, err := c.list(k.name)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if rest, maybe := strings.CutPrefix(d, "-"); maybe {
			d = rest
			file, _, _ := strings.Cut(d, ":")
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		c.add(k.flag, d)
	}
	return nil
}

func paths(c *conversion, k key) error {
	return c.eachWord(k, unitfile.SplitCommand, c.path)
}

func exposed(c *conversion, k key) error {
	for _, e := range c.all(k.name) {
		port := unitfile.Text(e.Value)
		if !isPorts(port) && !strings.Contains(port, "%") {
			return e.Fail("invalid port format '%s'", port)
		}
		c.add(k.flag, port)
	}
	return nil
}

// isPorts tells whether text is PORT or FIRST-LAST, maybe with /PROTOCOL.
func isPorts(text string) bool {
	ports, protocol, named := strings.Cut(text, "/")
	if named && protocol != "tcp" && protocol != "udp" {
		return false
	}
	first, end, span := strings.Cut(ports, "-")
	return isNumber(first) && (!span || isNumber(end))
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// mount resolves the source of the kinds of mounts that have one.
func mount(c *conversion, k key) error {
	for _, e := range c.all(k.name) {
		list, err := unitfile.SplitCommand(e.Value)
		if err != nil {
			return e.Fail("%s: %v", k.name, err)
		}
		for _, m := range list {
			resolved, err := c.mount(e, m)
			if err != nil {
				return err
			}
			c.add(k.flag, resolved)
		}
	}
	return nil
}

func (c *conversion) mount(e unitfile.Entry, text string) (string, error) {
	fields := strings.Split(text, ",")
	kind, source := "volume", -1
	for i, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "type":
			kind = value
		case "source", "src":
			source = i
		}
	}
	switch kind {
	case "bind", "glob", "image", "artifact", "volume":
	default:
		return text, nil
	}
	if source < 0 {
		if kind == "volume" {
			return text, nil // one without a name
		}
		return "", e.Fail("Mount: a mount of the type %s needs a source", kind)
	}
	name, value, _ := strings.Cut(fields[source], "=")
	value, err := c.source(e, value, ".volume", ".image", ".artifact")
	fields[source] = name + "=" + value
	return strings.Join(fields, ","), err
}

// pod puts the container into a pod, and ties the services to each other.
func pod(c *conversion, k key) error {
	e, _ := c.file.Last(c.kind.section, k.name)
	name := unitfile.Text(e.Value)
	if name == "" {
		return nil
	}
	if !strings.HasSuffix(name, ".pod") {
		return e.Fail("pod %s is not a unit: NAME.pod is wanted", name)
	}
	u, err := c.other(e, name)
	if err != nil {
		return err
	}
	if err := c.joins(e, u); err != nil {
		return err
	}
	c.add(k.flag, u.elsewhere())
	c.needs = append(c.needs, need{u.written(), e})
	c.out.Add(unitSection, "BindsTo", c.serviceOf(u))
	c.out.Add(unitSection, "After", c.serviceOf(u))
	with, set, err := c.boolean("StartWithPod")
	if err != nil {
		return err
	}
	// Which instances of a template there will be is not known here; those that
	// are known have the template's services.
	if (with || !set) && (!c.isTemplate() || u.isTemplate()) && u.template == nil {
		c.pod = u
	}
	return nil
}

// joins tells why the container cannot be in a pod.
func (c *conversion) joins(e unitfile.Entry, pod *Unit) error {
	_, own, _ := c.base()
	_, instance, _ := pod.base()
	switch {
	case pod.isTemplate() && !c.isTemplate():
		return e.Fail("Pod: %s is a template: which instance is meant cannot be told", pod.Name)
	case pod.template != nil && instance != own:
		return e.Fail("Pod: no file is the instance %s, so the pod would not start the container: make a link of that name to %s", pod.Name, pod.template.Name)
	case pod.elsewhere() == "":
		return e.Fail("Pod: %s has a name that only its own service can tell", pod.Name)
	}
	return nil
}

func user(c *conversion, k key) error {
	name, group := c.last("User"), c.last("Group")
	switch {
	case name == "" && group == "":
		return nil
	case name == "":
		return c.fail("Group", "invalid Group set without User")
	case group != "":
		name += ":" + group
	}
	c.add("--user", name)
	return nil
}

func volatileTmp(c *conversion, k key) error {
	on, _, err := c.boolean(k.name)
	if err != nil || !on {
		return err
	}
	if readOnly, _, err := c.boolean("ReadOnly"); err != nil || readOnly {
		return err
	}
	c.add("--tmpfs", "/tmp:rw,size=512M,mode=1777")
	return nil
}
