package quadlet

import (
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// volumeKeys are those of [Volume].
var volumeKeys = []key{
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "Copy", put: volumeCopy, note: "`--opt copy`, `--opt nocopy`"},
	{name: "Device", note: "`--opt device=`"},
	{name: "Driver", flag: "--driver", put: last},
	{name: "GID", flag: "--gid", put: last},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "Group", note: "`--opt o=gid=`"},
	{name: "Image", note: "`--opt image=`, with `Driver=image`"},
	{name: "Label", flag: "--label", put: pairs},
	{name: "Options", note: "`--opt o=`"},
	{name: "PodmanArgs", note: "words before the name"},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "Type", note: "`--opt type=`, with Device"},
	{name: "UID", flag: "--uid", put: last},
	{name: "User", note: "`--opt o=uid=`"},
	{name: "VolumeName", note: "the name, otherwise `systemd-NAME`"},
}

func convertVolume(c *conversion) error {
	c.add("volume", "create", "--ignore")
	var err error
	if c.last("Driver") == "image" {
		err = c.imageVolume()
	} else {
		err = c.localVolume()
	}
	if err != nil {
		return err
	}
	if err := c.keys(); err != nil {
		return err
	}
	c.add(c.resource)
	c.oneshot(true)
	return c.exec("ExecStart", c.cmd...)
}

func (c *conversion) imageVolume() error {
	image, err := c.imageOf("Image")
	if err == nil && image == "" {
		err = c.fail("Driver", "the key Image is mandatory when using the image driver")
	}
	c.add("--opt", "image="+image)
	return err
}

func (c *conversion) localVolume() error {
	device, kind := c.last("Device"), c.last("Type")
	if device == "" && kind != "" {
		return c.fail("Type", "key Type can't be used without Device")
	}
	if device != "" {
		c.add("--opt", "device="+device)
	}
	if kind != "" {
		c.add("--opt", "type="+kind)
	}
	if kind == "bind" {
		c.out.Add(unitSection, "RequiresMountsFor", unitfile.Join([]string{device}))
	}
	var options []string
	for _, id := range []struct{ key, option string }{{"User", "uid="}, {"Group", "gid="}} {
		value := c.last(id.key)
		if value == "" {
			continue
		}
		if !isNumber(value) && !strings.Contains(value, "%") {
			return c.fail(id.key, "%s: %q is no number", id.key, value)
		}
		options = append(options, id.option+value)
	}
	if more := c.last("Options"); more != "" {
		options = append(options, more)
	}
	if len(options) > 0 {
		c.add("--opt", "o="+strings.Join(options, ","))
	}
	return nil
}

func volumeCopy(c *conversion, k key) error {
	on, set, err := c.boolean(k.name)
	switch {
	case err != nil || !set || c.last("Driver") == "image":
		return err
	case on:
		c.add("--opt", "copy")
	default:
		c.add("--opt", "nocopy")
	}
	return nil
}

// networkKeys are those of [Network].
var networkKeys = []key{
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "DNS", flag: "--dns", put: each},
	{name: "DisableDNS", flag: "--disable-dns", put: yesNo},
	{name: "Driver", flag: "--driver", put: last},
	{name: "Gateway", note: "`--gateway`"},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "IPAMDriver", flag: "--ipam-driver", put: last},
	{name: "IPRange", note: "`--ip-range`"},
	{name: "IPv6", flag: "--ipv6", put: yesNo},
	{name: "InterfaceName", flag: "--interface-name", put: last},
	{name: "Internal", flag: "--internal", put: yesNo},
	{name: "Label", flag: "--label", put: pairs},
	{name: "NetworkDeleteOnStop", note: "`ExecStopPost=` with `carob network rm`"},
	{name: "NetworkName", note: "the name, otherwise `systemd-NAME`"},
	{name: "Options", flag: "--opt", put: pairs},
	{name: "PodmanArgs", note: "words before the name"},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "Subnet", put: subnets, note: "`--subnet`"},
}

func convertNetwork(c *conversion) error {
	remove, _, err := c.boolean("NetworkDeleteOnStop")
	if err != nil {
		return err
	}
	if remove {
		if err := c.exec("ExecStopPost", "network", "rm", c.resource); err != nil {
			return err
		}
	}
	c.add("network", "create", "--ignore")
	if err := c.keys(); err != nil {
		return err
	}
	c.add(c.resource)
	c.oneshot(true)
	return c.exec("ExecStart", c.cmd...)
}

// subnets puts each subnet with its gateway and its range: they belong together
// by their order.
func subnets(c *conversion, k key) error {
	nets, gateways, ranges := c.all("Subnet"), c.all("Gateway"), c.all("IPRange")
	for _, of := range []struct {
		name string
		list []unitfile.Entry
	}{{"gateways", gateways}, {"ranges", ranges}} {
		if len(of.list) > 0 && len(nets) == 0 {
			return of.list[0].Fail("cannot set gateway or range without subnet")
		}
		if len(of.list) > len(nets) {
			return of.list[len(nets)].Fail("cannot set more %s than subnets", of.name)
		}
	}
	for i, net := range nets {
		c.add("--subnet", unitfile.Text(net.Value))
		if i < len(gateways) {
			c.add("--gateway", unitfile.Text(gateways[i].Value))
		}
		if i < len(ranges) {
			c.add("--ip-range", unitfile.Text(ranges[i].Value))
		}
	}
	return nil
}

// imageKeys are those of [Image].
var imageKeys = []key{
	{name: "AllTags", flag: "--all-tags", put: yesNo},
	{name: "Arch", flag: "--arch", put: last},
	{name: "AuthFile", flag: "--authfile", put: last},
	{name: "CertDir", flag: "--cert-dir", put: last},
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "Creds", flag: "--creds", put: last},
	{name: "DecryptionKey", flag: "--decryption-key", put: last},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "Image", note: "the image to pull"},
	{name: "ImageTag", note: "the image's name for other units, where Image is an archive"},
	{name: "OS", flag: "--os", put: last},
	{name: "PodmanArgs", note: "words before the image"},
	{name: "Policy", flag: "--policy", put: last},
	{name: "Retry", flag: "--retry", put: last},
	{name: "RetryDelay", flag: "--retry-delay", put: last},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "TLSVerify", flag: "--tls-verify", put: yesNo},
	{name: "Variant", flag: "--variant", put: last},
}

func convertImage(c *conversion) error { return c.fetch("Image", "image", "pull") }

// artifactKeys are those of [Artifact].
var artifactKeys = []key{
	{name: "Artifact", note: "the artifact to pull"},
	{name: "AuthFile", flag: "--authfile", put: last},
	{name: "CertDir", flag: "--cert-dir", put: last},
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "Creds", flag: "--creds", put: last},
	{name: "DecryptionKey", flag: "--decryption-key", put: last},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "PodmanArgs", note: "words before the artifact"},
	{name: "Quiet", flag: "--quiet", put: yesNo},
	{name: "Retry", flag: "--retry", put: last},
	{name: "RetryDelay", flag: "--retry-delay", put: last},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "TLSVerify", flag: "--tls-verify", put: yesNo},
}

func convertArtifact(c *conversion) error { return c.fetch("Artifact", "artifact", "pull") }

// fetch makes a service that pulls what a key names.
func (c *conversion) fetch(name string, command ...string) error {
	what := c.last(name)
	if what == "" {
		return c.fail(name, "no %s key specified", name)
	}
	c.add(command...)
	if err := c.keys(); err != nil {
		return err
	}
	c.add(what)
	c.oneshot(true)
	return c.exec("ExecStart", c.cmd...)
}
