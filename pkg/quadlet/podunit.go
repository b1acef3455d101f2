package quadlet

// podKeys are those of [Pod].
var podKeys = []key{
	{name: "AddHost", flag: "--add-host", put: each},
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "DNS", flag: "--dns", put: each},
	{name: "DNSOption", flag: "--dns-option", put: each},
	{name: "DNSSearch", flag: "--dns-search", put: each},
	{name: "ExitPolicy", note: "`--exit-policy`, otherwise `stop`"},
	{name: "GIDMap", flag: "--gidmap", put: words},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "HostName", flag: "--hostname", put: last},
	{name: "IP", flag: "--ip", put: last},
	{name: "IP6", flag: "--ip6", put: last},
	{name: "Label", flag: "--label", put: pairs},
	{name: "Network", flag: "--network", put: network},
	{name: "NetworkAlias", flag: "--network-alias", put: each},
	{name: "PodName", note: "`--name`, otherwise `systemd-NAME`"},
	{name: "PodmanArgs", note: "words at the end"},
	{name: "PublishPort", flag: "--publish", put: each},
	{name: "RemapGid", note: "older form of GIDMap"},
	{name: "RemapUid", note: "older form of UIDMap"},
	{name: "RemapUidSize", note: "older form of `UserNS=auto:size=`"},
	{name: "RemapUsers", put: remap, note: "older form of UserNS: `manual`, `auto`, `keep-id`"},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "ShmSize", flag: "--shm-size", put: last},
	{name: "StopTimeout", note: "`--time` of `carob pod stop`, otherwise 10"},
	{name: "SubGIDMap", flag: "--subgidname", put: last},
	{name: "SubUIDMap", flag: "--subuidname", put: last},
	{name: "UIDMap", flag: "--uidmap", put: words},
	{name: "UserNS", flag: "--userns", put: last},
	{name: "Volume", flag: "--volume", put: volume},
}

// convertPod makes a service whose main process is the pod's infra container.
func convertPod(c *conversion) error {
	const pidFile = "%t/%N.pid"
	name := c.resource
	for _, member := range c.members {
		service := c.serviceOf(&Unit{Service: member})
		c.out.Add(unitSection, "Wants", service)
		c.out.Add(unitSection, "Before", service)
	}
	exit, timeout := c.last("ExitPolicy"), c.last("StopTimeout")
	if exit == "" {
		exit = "stop"
	}
	if timeout == "" {
		timeout = "10"
	}
	c.add("pod", "create", "--infra-conmon-pidfile="+pidFile, "--replace", "--exit-policy", exit, "--infra-name", name+"-infra", "--name", name)
	if err := c.keys(); err != nil {
		return err
	}
	for _, line := range []struct {
		key   string
		words []string
	}{
		{"ExecStartPre", c.cmd},
		{"ExecStart", []string{"pod", "start", name}},
		{"ExecStop", []string{"pod", "stop", "--ignore", "--time=" + timeout, name}},
		{"ExecStopPost", []string{"pod", "rm", "--ignore", "--force", name}},
	} {
		if err := c.exec(line.key, line.words...); err != nil {
			return err
		}
	}
	c.out.Add(serviceSection, "Environment", "PODMAN_SYSTEMD_UNIT=%n")
	c.out.Default(serviceSection, "SyslogIdentifier", "%N")
	c.out.Default(serviceSection, "Restart", "on-failure")
	c.out.Set(serviceSection, "Type", "forking")
	c.out.Set(serviceSection, "PIDFile", pidFile)
	return nil
}
