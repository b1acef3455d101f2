package bundle

import (
	"errors"
	"fmt"
	"path"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/carob-containers/carob/libpod/spec"
)

// initInside is where --init binds its program; podman's name for it, which
// images and scripts have come to look for.
const initInside = "/run/podman-init"

var errNoCommand = errors.New("no command or entrypoint provided, and no CMD or ENTRYPOINT from image")

func (g *generator) addProcess() error {
	args, err := Args(g.Spec, g.Image)
	if err != nil {
		return err
	}
	if g.Spec.Process.CommandTemplate {
		for i, word := range args {
			args[i] = spec.Expand(word, g.secret)
		}
	}
	if g.Spec.Process.Init {
		args = append([]string{initInside, "--"}, args...)
	}
	umask, err := spec.ParseUmask(g.Spec.Process.Umask)
	if err != nil {
		return err
	}
	g.oci.SetProcessArgs(args)
	g.oci.SetProcessCwd(WorkDir(g.Spec, g.Image))
	g.oci.SetProcessTerminal(g.Spec.Process.Terminal)
	if g.Spec.Process.Terminal && g.Rows > 0 {
		g.oci.SetProcessConsoleSize(uint(g.Cols), uint(g.Rows))
	}
	g.oci.SetProcessUmask(umask)
	g.oci.SetProcessNoNewPrivileges(g.Spec.Security.NoNewPrivileges)
	if adj := g.Spec.Resources.OOMScoreAdj; adj != nil {
		g.oci.SetProcessOOMScoreAdj(*adj)
	}
	g.oci.Config.Process.Env = g.env()
	return g.addPersonality()
}

// Args is what the container's first process is given: the entrypoint and
// the command of the user or the image. The image's CMD belongs to the image's
// ENTRYPOINT and goes with it when the user gives another.
func Args(c *spec.Container, image *v1.ImageConfig) ([]string, error) {
	var entrypoint, command []string
	if image != nil {
		entrypoint, command = image.Entrypoint, image.Cmd
	}
	if c.Process.Entrypoint != nil {
		entrypoint, command = *c.Process.Entrypoint, nil
	}
	if len(c.Process.Command) > 0 {
		command = c.Process.Command
	}
	if len(entrypoint) == 1 && entrypoint[0] == "" { // ENTRYPOINT [""], --entrypoint ""
		entrypoint = nil
	}
	if len(entrypoint)+len(command) == 0 {
		return nil, errNoCommand
	}
	return append(append([]string{}, entrypoint...), command...), nil
}

// WorkDir is the directory the process starts in.
func WorkDir(c *spec.Container, image *v1.ImageConfig) string {
	switch {
	case c.Process.WorkDir != "":
		return path.Clean("/" + c.Process.WorkDir)
	case image != nil && image.WorkingDir != "":
		return path.Clean("/" + image.WorkingDir)
	}
	return "/"
}

// StopSignal is the signal that ends the container in an orderly way: the
// user's, the image's, systemd's, or SIGTERM.
func StopSignal(c *spec.Container, image *v1.ImageConfig) (int, error) {
	word := c.Process.StopSignal
	if word == "" && image != nil {
		word = image.StopSignal
	}
	if word == "" && Systemd(c, image) {
		word = "SIGRTMIN+3"
	}
	if word == "" {
		word = "SIGTERM"
	}
	return spec.ParseSignal(word)
}

// Systemd tells whether the container is set up for systemd as its init.
func Systemd(c *spec.Container, image *v1.ImageConfig) bool {
	switch c.Process.Systemd {
	case "always":
		return true
	case "false":
		return false
	}
	args, err := Args(c, image)
	if err != nil {
		return false
	}
	if len(args) > 2 && args[0] == "/bin/sh" && args[1] == "-c" { // the shell form of CMD
		args = args[2:]
	}
	switch args[0] {
	case "/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init":
		return true
	}
	return path.Base(args[0]) == "systemd"
}

func (g *generator) addUser() error {
	u := &g.oci.Config.Process.User
	u.UID, u.GID = g.User.UID, g.User.GID
	if !mapped(g.uids(), u.UID) {
		return g.unmapped("uid", u.UID, "--user")
	}
	if !mapped(g.gids(), u.GID) {
		return g.unmapped("gid", u.GID, "--user")
	}
	if g.keepGroups() {
		return nil // the runtime leaves them alone, see addAnnotations
	}
	// A process that can drop its primary group must not gain by it what
	// negative group permissions withhold.
	if g.userAsked() {
		g.oci.AddProcessAdditionalGid(u.GID)
	}
	for _, gid := range g.User.Groups {
		if mapped(g.gids(), gid) {
			g.oci.AddProcessAdditionalGid(gid)
		} else if g.groupAsked(gid) {
			return g.unmapped("gid", gid, "--group-add")
		}
	}
	return nil
}

func (g *generator) userAsked() bool {
	return g.Spec.Process.User != "" || g.Image != nil && g.Image.User != "" || g.User.UID != 0
}

func (g *generator) groupAsked(gid uint32) bool {
	for _, word := range g.Spec.Process.Groups {
		if word == fmt.Sprint(gid) {
			return true
		}
	}
	return false
}

func (g *generator) keepGroups() bool {
	return len(g.Spec.Process.Groups) == 1 && g.Spec.Process.Groups[0] == "keep-groups"
}

// uids are the ids that exist inside the container; nil means all.
func (g *generator) uids() []spec.IDMap {
	if m := g.Spec.Isolation.Mapping; m != nil {
		return m.UIDs
	}
	return g.Host.UIDs
}

func (g *generator) gids() []spec.IDMap {
	if m := g.Spec.Isolation.Mapping; m != nil {
		return m.GIDs
	}
	return g.Host.GIDs
}

// mapped tells whether id exists; no mapping at all means every id does.
func mapped(maps []spec.IDMap, id uint32) bool {
	for _, m := range maps {
		if id >= m.Container && id-m.Container < m.Size {
			return true
		}
	}
	return len(maps) == 0
}

func (g *generator) unmapped(kind string, id uint32, flag string) error {
	file, maps := "/etc/subuid", g.uids()
	if kind == "gid" {
		file, maps = "/etc/subgid", g.gids()
	}
	var count uint64
	for _, m := range maps {
		count += uint64(m.Size)
	}
	hint := fmt.Sprintf("give the account more ids in %s, then run 'carob system migrate'", file)
	if g.Spec.Isolation.Mapping != nil {
		hint = "widen the container's own mapping (--userns, --uidmap, --gidmap)"
	}
	return &RefusedError{hinted(hint, "cannot use %s %d (%s): only %d %ss exist inside the container", kind, id, flag, count, kind)}
}

// RefusedError says what the kernel would refuse the container's process: a
// user or group that does not exist in its id mapping, a limit that cannot be
// raised. It has a hint.
type RefusedError struct{ error }

func (e *RefusedError) Unwrap() error { return e.error }

func (g *generator) addPersonality() error {
	switch p := strings.ToUpper(g.Spec.Process.Personality); p {
	case "":
	case "LINUX", "LINUX32":
		g.oci.Config.Linux.Personality = personality(p)
	default:
		return fmt.Errorf("invalid --personality %q: must be LINUX or LINUX32", g.Spec.Process.Personality)
	}
	return nil
}
