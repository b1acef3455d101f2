package bundle

import (
	"fmt"
	"strings"
)

// addAnnotations writes what podman writes, which tools that look at bundles
// know, then the user's own, then the switches that crun takes this way.
func (g *generator) addAnnotations() error {
	stop, err := StopSignal(g.Spec, g.Image)
	if err != nil {
		return err
	}
	g.oci.AddAnnotation("io.container.manager", "libpod")
	g.oci.AddAnnotation("org.opencontainers.image.stopSignal", fmt.Sprint(stop))
	for name, on := range map[string]bool{
		"autoremove":  g.Spec.Remove,
		"init":        g.Spec.Process.Init,
		"privileged":  g.Spec.Security.Privileged,
		"publish-all": g.Spec.Network.PublishAll,
	} {
		g.oci.AddAnnotation("io.podman.annotations."+name, word(on))
	}
	for name, value := range g.askedOf() {
		if value != "" {
			g.oci.AddAnnotation("io.podman.annotations."+name, value)
		}
	}
	for key, value := range g.Spec.Annotations {
		g.oci.AddAnnotation(key, value)
	}
	if g.nested() { // the labels of files are only their first ones
		g.oci.AddAnnotation("run.oci.mount_context_type", "rootcontext")
	}
	if !g.keepGroups() {
		return nil
	}
	if g.Host.Runtime != "crun" {
		return hinted("use --runtime crun", "cannot use --group-add keep-groups: only crun can keep the caller's groups")
	}
	g.oci.AddAnnotation("run.oci.keep_original_groups", "1")
	return nil
}

// askedOf are flags that the configuration shows only the effect of; whoever
// makes another container like this one reads them here.
func (g *generator) askedOf() map[string]string {
	c := g.Spec
	return map[string]string{
		"cid-file":     c.CIDFile,
		"volumes-from": strings.Join(c.Mounts.VolumesFrom, ","),
		"seccomp":      c.Security.Seccomp,
		"apparmor":     c.Security.AppArmor,
		"label":        strings.Join(c.Security.Label, ",label="), // a level has commas
	}
}

func word(on bool) string {
	if on {
		return "TRUE"
	}
	return "FALSE"
}
