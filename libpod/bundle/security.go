package bundle

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// selinuxfs is how programs ask and change the SELinux policy.
const selinuxfs = "/sys/fs/selinux"

// maskedPaths tell about the host or let one harm it; the runtime hides them.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/interrupts",
		"/sys/firmware", selinuxfs, "/sys/dev/block", "/sys/devices/virtual/powercap",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// addPaths hides and protects paths of /proc and /sys, less what --privileged
// or unmask= take away, plus what mask= adds.
func (g *generator) addPaths() error {
	s := &g.Spec.Security
	for _, pattern := range splitPaths(s.Unmask) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("invalid --security-opt unmask=%s: %w", pattern, err)
		}
	}
	if !s.Privileged {
		for _, p := range g.defaultMasks() {
			if !g.unmasked(p) && !(p == selinuxfs && g.nested()) {
				g.oci.AddLinuxMaskedPaths(p)
			}
		}
		for _, p := range readonlyPaths() {
			if !g.unmasked(p) {
				g.oci.AddLinuxReadonlyPaths(p)
			}
		}
	}
	for _, p := range splitPaths(s.Mask) {
		if !path.IsAbs(p) {
			return fmt.Errorf("invalid --security-opt mask=%s: must be an absolute path", p)
		}
		g.oci.AddLinuxMaskedPaths(p)
	}
	return nil
}

// defaultMasks: a /sys bound from the host shows more of it.
func (g *generator) defaultMasks() []string {
	masks := maskedPaths()
	if g.sysMount().Type == "bind" {
		masks = append(masks, "/sys/kernel")
	}
	return masks
}

// unmasked tells whether unmask= names p: ALL, a path or a glob.
func (g *generator) unmasked(p string) bool {
	return slices.ContainsFunc(splitPaths(g.Spec.Security.Unmask), func(pattern string) bool {
		match, err := path.Match(pattern, p)
		return strings.EqualFold(pattern, "ALL") || err == nil && match
	})
}

// splitPaths takes lists apart: both mask= and unmask= accept a:b.
func splitPaths(words []string) []string {
	var paths []string
	for _, w := range words {
		paths = append(paths, strings.Split(w, ":")...)
	}
	return paths
}

// addLabels names the AppArmor profile and the SELinux labels. A container
// made while SELinux was on runs without them where it is off.
func (g *generator) addLabels() error {
	if l := g.Spec.Security.SELinux; l != nil && g.Host.SELinux {
		g.oci.SetProcessSelinuxLabel(l.Process)
		g.oci.SetLinuxMountLabel(l.Mount)
	}
	if profile := g.Spec.Security.AppArmor; profile != "unconfined" {
		g.oci.SetProcessApparmorProfile(profile)
	}
	return nil
}

// nested tells whether the container may label its own files and processes.
func (g *generator) nested() bool {
	return g.Host.SELinux && slices.Contains(g.Spec.Security.Label, "nested")
}

func checkLabels(words []string, h Host) error {
	for _, l := range words {
		switch {
		case l == "disable":
		case l == "nested" && h.SELinux && h.Runtime != "crun":
			return hinted("use --runtime crun", "cannot set --security-opt label=nested: only crun can let a container label its files")
		case l == "nested":
		case !h.SELinux:
			return fmt.Errorf("cannot set --security-opt label=%s: SELinux is not enabled on this system", l)
		}
	}
	return nil
}

func checkAppArmor(profile string, h Host) error {
	switch {
	case profile == "" || profile == "unconfined":
	case !h.AppArmor:
		return fmt.Errorf("apparmor profile %q specified, but Apparmor is not enabled on this system", profile)
	case h.Rootless:
		return fmt.Errorf("cannot use apparmor profile %q: only root may apply one", profile)
	case h.AppArmorMissing:
		return hinted("load it with apparmor_parser -r FILE", "cannot use apparmor profile %q: it is not loaded", profile)
	}
	return nil
}
