// Package libpod holds the verbs: what carob can do with containers, volumes,
// secrets and the system. It prints nothing and exits nowhere; whoever calls
// it (command line, Kubernetes YAML, ...) only fills in a spec.
package libpod

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/oci"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/image"
)

// Options say where things are. The zero value takes every default.
type Options struct {
	Image  image.Options
	RunDir string // carob's runtime directory, made by the caller
	// OCIRuntime is a name or path, "" crun, then runc.
	OCIRuntime    string
	RuntimeFlags  []string
	CgroupManager string // "", systemd, cgroupfs, disabled
	// CgroupPreferred is that of containers.conf, for hosts that have it.
	CgroupPreferred string
	Monitor         string // path of carob-monitor
	// VolumeDir is where volumes are made; "" is below the graph root. Once
	// there are volumes elsewhere, they stay there.
	VolumeDir string
	// EventBackend is one of package eventlog's; "" is a file. EventFile is
	// that file; "" is below the graph root. EventMax is the size in bytes at
	// which it is begun anew.
	EventBackend string
	EventFile    string
	EventMax     int64
	// HelperDirs are searched for pasta, slirp4netns and catatonit before
	// PATH is. SlirpPath is slirp4netns itself.
	HelperDirs []string
	SlirpPath  string
	// HookDirs hold the OCI hooks of containers, see oci-hooks(5).
	HookDirs []string
	// CreateFlags are for the OCI runtime's create and run.
	CreateFlags []string
	Warn        func(line string)
	// MakesRoom: the command is one that removes, and may use what is kept for
	// such on a full disk.
	MakesRoom bool
	// Self is the argv, up to the command, of a carob on the same state: what
	// monitors run when a container is to be removed or started anew and
	// nobody else is left to do it.
	Self []string
	// PullImage gets a missing image and returns its ID.
	PullImage func(ctx context.Context, ref string, opts PullOptions) (string, error)
}

// Runtime is an opened state. It is for one process and one command; two of
// them on the same state know each other only through locks and the kernel.
type Runtime struct {
	opts   Options
	paths  image.Paths
	dirs   store.Dirs
	db     *store.DB
	images *image.Store
	oci    *oci.Runtime
	bootID string
}

// Open opens the state, making it when there is none.
func Open(opts Options) (*Runtime, error) {
	paths, err := image.Locate(opts.Image)
	if err != nil {
		return nil, err
	}
	rt := &Runtime{opts: opts, paths: paths}
	rt.dirs = store.Dirs{State: filepath.Join(paths.GraphRoot, "carob"), Run: opts.RunDir, EventFile: opts.EventFile}
	if err := rt.placeVolumes(); err != nil {
		return nil, err
	}
	if opts.MakesRoom {
		rt.dirs.UseReserve()
	}
	if err := rt.dirs.Make(); err != nil {
		return nil, fmt.Errorf("cannot make carob's directories: %w", err)
	}
	if rt.db, err = store.OpenDB(rt.dirs.Database()); err != nil {
		return nil, err
	}
	if !opts.MakesRoom {
		rt.dirs.KeepReserve()
	}
	if rt.bootID, err = readBootID(); err != nil {
		return nil, err
	}
	return rt, nil
}

// Settle waits until a power cut cannot take any more what the command has
// made: the last thing that a command does.
func (rt *Runtime) Settle() error { return rt.db.Settle() }

// Images opens the image store on first use.
func (rt *Runtime) Images() (*image.Store, error) {
	if rt.images != nil {
		return rt.images, nil
	}
	s, err := image.Open(rt.opts.Image)
	if err != nil {
		return nil, err
	}
	rt.images = s
	return s, nil
}

// OCI finds the OCI runtime on first use.
func (rt *Runtime) OCI() (*oci.Runtime, error) {
	if rt.oci != nil {
		return rt.oci, nil
	}
	r, err := oci.Find(rt.opts.OCIRuntime, rt.opts.RuntimeFlags, rt.opts.CgroupManager, rt.opts.CgroupPreferred, rt.dirs.Run)
	if err != nil {
		return nil, err
	}
	r.Env = runtimeEnv(os.Environ())
	rt.oci = r
	return r, nil
}

// runtimeEnv is what the OCI runtime is to see of our environment. crun (1.8)
// prefers a user's systemd wherever the environment leads to one; in that of a
// root who has logged in, containers would end with the login.
func runtimeEnv(environ []string) []string {
	if rootless() {
		return environ
	}
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		return strings.HasPrefix(v, "XDG_RUNTIME_DIR=") || strings.HasPrefix(v, "DBUS_SESSION_BUS_ADDRESS=")
	})
}

// Dirs tells where carob keeps things.
func (rt *Runtime) Dirs() store.Dirs { return rt.dirs }

// Paths tells where containers/storage keeps things.
func (rt *Runtime) Paths() image.Paths { return rt.paths }

// DB is the database, for the packages that build on libpod.
func (rt *Runtime) DB() *store.DB { return rt.db }

func newID() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// readBootID is the kernel's name of this boot, see random(4).
func readBootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot tell the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// startTime is field 22 of /proc/PID/stat, clock ticks since boot; with the
// pid it names a process once and for all. 0: there is no such process.
func startTime(pid int) uint64 {
	fields := processStat(pid)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// processStat is /proc/PID/stat (proc(5)) from the third field on, the
// process's state; nil when there is no such process.
func processStat(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// hintError is an error with a cure.
type hintError struct {
	error
	hint string
}

func (e *hintError) Hint() string  { return e.hint }
func (e *hintError) Unwrap() error { return e.error }

// WithHint gives an error a cure, which is printed on a line of its own.
func WithHint(err error, hint string) error { return &hintError{err, hint} }

var errNoContainer = errors.New("no such container")
