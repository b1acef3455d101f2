package libpod

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/containers/storage/pkg/idtools"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/monitor/client"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/rootfs"
)

// addGroups adds --group-add; "keep-groups" is the runtime's to do.
func (l *launcher) addGroups() error {
	for _, g := range l.c.Process.Groups {
		if g == "keep-groups" {
			continue
		}
		gid, err := rootfs.LookupGroup(l.rootfs, g)
		if err != nil {
			return &client.Failed{Code: cannotRun, Text: err.Error()}
		}
		if !slices.Contains(l.in.User.Groups, gid) {
			l.in.User.Groups = append(l.in.User.Groups, gid)
		}
	}
	return nil
}

// layerMapping is a container's own id mapping as containers/storage has it.
func layerMapping(maps []spec.IDMap) []idtools.IDMap {
	var out []idtools.IDMap
	for _, m := range maps {
		out = append(out, idtools.IDMap{ContainerID: int(m.Container), HostID: int(m.Host), Size: int(m.Size)})
	}
	return out
}

// resolveSecrets lays out the secrets for mounting, and reads those that
// become variables. The files live in the run directory, on a tmpfs where the
// host has one there, and go with the container's end.
func (l *launcher) resolveSecrets(ctx context.Context) error {
	dir := filepath.Join(l.c.RunDir(), "secrets")
	for _, s := range l.c.Process.Secrets {
		stored, err := l.c.rt.db.Secret(ctx, s.Source)
		if err != nil {
			return fmt.Errorf("cannot find secret %s: %w", s.Source, err)
		}
		data, err := os.ReadFile(l.c.rt.dirs.Secret(stored.ID))
		if err != nil {
			return fmt.Errorf("cannot read secret %s: %w", s.Source, err)
		}
		if s.Key != "" {
			if data, err = secretValue(s, data); err != nil {
				return err
			}
		}
		if s.Type == "env" {
			if l.in.ExtraEnv == nil {
				l.in.ExtraEnv = map[string]string{}
			}
			l.in.ExtraEnv[firstOf(s.Target, s.Source)] = string(data)
			continue
		}
		if err := l.layOutSecret(dir, s, data); err != nil {
			return fmt.Errorf("cannot mount secret %s: %w", s.Source, err)
		}
	}
	if l.in.Files.Secrets == "" {
		return nil
	}
	return l.label(dir)
}

// secretValue is one value of a Secret that Kubernetes YAML has made.
func secretValue(s spec.Secret, stored []byte) ([]byte, error) {
	values, err := kube.DecodeSecret(s.Source, stored)
	if err != nil {
		return nil, err
	}
	value, ok := values[s.Key]
	if !ok {
		return nil, fmt.Errorf("cannot use secret %s: it has no key %s any more", s.Source, s.Key)
	}
	return value, nil
}

// layOutSecret writes the file that is mounted: below the directory that
// becomes /run/secrets, or, with an absolute target, on its own.
func (l *launcher) layOutSecret(dir string, s spec.Secret, data []byte) error {
	name := firstOf(s.Target, s.Source)
	file := filepath.Join(dir, name)
	if filepath.IsAbs(name) {
		file = filepath.Join(l.c.RunDir(), "secret-files", strconv.Itoa(len(l.in.Mounts)))
	} else if !filepath.IsLocal(name) {
		return fmt.Errorf("the target %q leads out of /run/secrets", name)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	owner := l.c.outside(s.UID, s.GID)
	if err := os.Chown(file, owner.UID, owner.GID); err != nil {
		return err
	}
	mode := os.FileMode(s.Mode)
	if mode == 0 {
		mode = 0o444
	}
	if err := os.Chmod(file, mode); err != nil {
		return err
	}
	if !filepath.IsAbs(name) {
		l.in.Files.Secrets = dir
		return nil
	}
	if err := l.label(file); err != nil {
		return err
	}
	l.in.Mounts = append(l.in.Mounts, spec.Mount{Type: spec.MountBind, Source: file, Destination: name, Options: []string{"bind", "rprivate"}})
	return nil
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
