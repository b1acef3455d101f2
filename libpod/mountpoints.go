package libpod

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/pkg/rootfs"
)

// ensureMountpoints makes, in a root file system of the user's own, the places
// that something is to be mounted on. The OCI runtime would make them, but
// where it cannot it says which call failed, and not what to do about it.
func (l *launcher) ensureMountpoints(cfg *rspec.Spec) error {
	for _, m := range cfg.Mounts {
		inOther := slices.ContainsFunc(cfg.Mounts, func(other rspec.Mount) bool {
			return strings.HasPrefix(m.Destination, strings.TrimSuffix(other.Destination, "/")+"/")
		})
		if inOther {
			continue // it appears there
		}
		directory := true
		if st, err := os.Stat(m.Source); err == nil && hasBind(m.Options) {
			directory = st.IsDir()
		}
		err := rootfs.EnsureMountpoint(l.rootfs, m.Destination, directory)
		if err != nil {
			return WithHint(fmt.Errorf("cannot use --rootfs %s: nothing can be mounted on %s: %w", l.c.Rootfs.Path, m.Destination, innermost(err)),
				"make "+m.Destination+" there, or a copy of the directory that belongs to the account")
		}
	}
	return nil
}

func hasBind(options []string) bool {
	return slices.Contains(options, "bind") || slices.Contains(options, "rbind")
}

// innermost is what the kernel said.
func innermost(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
