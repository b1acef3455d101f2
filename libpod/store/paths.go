// Package store is where carob's own state lives: the SQLite database of what
// was asked for, the per-object directories, and the locks. docs/STATE.md is
// the contract of every name here.
package store

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/pkg/eventlog"
)

// Dirs are the two places carob writes to beside containers/storage.
type Dirs struct {
	State string // persistent: <graphroot>/carob
	Run   string // gone after a reboot: <XDG_RUNTIME_DIR>/carob
	// VolumeDir and EventFile are elsewhere than in State when they are set.
	VolumeDir, EventFile string
}

// File names below a container's directory. The monitor's own names are in
// libpod/monitor/config.go.
const (
	LockFile   = "lock"        // flock: one command changes the container at a time
	BundleFile = "config.json" // OCI bundle of the last start
	LogFile    = "ctr.log"
	FilesDir   = "etc" // hosts, resolv.conf, hostname, passwd ... bound into the container
)

// SandboxFile in the runtime directory of an infra container tells that its
// sandbox has taken its network over: such a container has no monitor's socket.
const SandboxFile = "sandbox"

// PodGroupSuffix follows the name of a pod's lock in the name of the file that
// tells its control group.
const PodGroupSuffix = ".cgroup"

// Database is the SQLite file; what the others name stands in docs/STATE.md.
func (d Dirs) Database() string              { return filepath.Join(d.State, "state.db") }
func (d Dirs) Containers() string            { return filepath.Join(d.State, "containers") }
func (d Dirs) Container(id string) string    { return filepath.Join(d.State, "containers", id) }
func (d Dirs) Volume(name string) string     { return filepath.Join(d.Volumes(), name) }
func (d Dirs) Secret(id string) string       { return filepath.Join(d.State, "secrets", id) }
func (d Dirs) Ending(id string) string       { return filepath.Join(d.State, "ends", id) }
func (d Dirs) PodLock(id string) string      { return filepath.Join(d.State, "pods", id) }
func (d Dirs) KubeJournal(id string) string  { return filepath.Join(d.State, "kube", id) }
func (d Dirs) PodGroup(id string) string     { return d.PodLock(id) + PodGroupSuffix }
func (d Dirs) ContainerRun(id string) string { return filepath.Join(d.Run, "c", id) }
func (d Dirs) RuntimeRoot(name string) string {
	return filepath.Join(d.Run, strings.ReplaceAll(name, "/", "_"))
}

// Events is the file of events.
func (d Dirs) Events() string {
	if d.EventFile != "" {
		return d.EventFile
	}
	return filepath.Join(d.State, eventlog.FileName)
}

// EventLock is held while the file of events is begun anew.
func (d Dirs) EventLock() string { return filepath.Join(d.State, eventlog.LockName) }

// Volumes is the directory of volumes.
func (d Dirs) Volumes() string {
	if d.VolumeDir != "" {
		return d.VolumeDir
	}
	return d.VolumeLink()
}

// VolumeLink is the directory of volumes, or a link to it.
func (d Dirs) VolumeLink() string { return filepath.Join(d.State, "volumes") }

// Make creates the top directories, for the owner only.
func (d Dirs) Make() error {
	for _, dir := range []string{d.Containers(), d.Volumes(), filepath.Join(d.State, "secrets"), filepath.Join(d.State, "pods"), filepath.Join(d.State, "kube"), filepath.Join(d.Run, "c")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}
