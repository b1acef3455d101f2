package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/hostdev"
	"github.com/carob-containers/carob/pkg/image"
	native "github.com/carob-containers/carob/pkg/journal"
)

// PullOptions choose an image when it has to be, or may be, pulled.
type PullOptions struct {
	Policy              string // missing (""), always, never, newer
	Platform            string // OS/ARCH[/VARIANT], "" the host's
	Arch, OS, Variant   string
	Quiet               bool
	AuthFile, SigPolicy string
	Auth                []byte // what stands in an auth file; it goes before AuthFile
	Credentials         string // USER[:PASSWORD], before both
	TLSVerify           *bool
	Args                []string // further flags that only the puller understands
}

// CreateOptions are what create does but the container need not remember.
type CreateOptions struct {
	Pull    PullOptions
	Replace bool // remove a container of the same name first
	// StartFollows: the caller starts the container at once, in this process.
	// Its network, which takes longest, is begun while it is being made.
	StartFollows bool
	// Named is told the ID before anything is made; its error ends it all.
	Named func(id string) error
}

// CreateContainer makes a container from c, completing it (ID, name, image).
//
// The order makes a kill at any point harmless: the directory with its lock,
// then the database row, then the layer, and last the record file, without
// which a container counts as half made and is swept by the next listing.
func (rt *Runtime) CreateContainer(ctx context.Context, c *spec.Container, opts CreateOptions) (*Container, error) {
	c.ID = newID()
	if opts.Named != nil {
		if err := opts.Named(c.ID); err != nil {
			return nil, err
		}
	}
	if err := rt.joinPod(ctx, c); err != nil {
		return nil, err
	}
	return rt.createContainer(ctx, c, opts, nil)
}

// createContainer makes a container that has an ID; pod is the one to be made
// together with it.
func (rt *Runtime) createContainer(ctx context.Context, c *spec.Container, opts CreateOptions, pod *spec.Pod) (*Container, error) {
	c.Created = time.Now()
	img, err := rt.chooseImage(ctx, c, opts.Pull)
	if err != nil {
		return nil, err
	}
	if err := checkAsked(c, img); err != nil {
		return nil, err
	}
	c.Labels = withImageLabels(c.Labels, img)
	if opts.Replace && c.Name != "" {
		if err := rt.removeNamed(ctx, c.Name); err != nil {
			return nil, err
		}
	}
	if opts.StartFollows {
		leaveSession()
	}
	plan, err := rt.planCreate(ctx, c, img)
	plan.pod = pod
	defer plan.release()
	if err != nil {
		return nil, err
	}
	ctr := &Container{Container: c, rt: rt, base: img, host: plan.host}
	if err := os.Mkdir(ctr.Dir(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot create container: %w", err)
	}
	lock, err := store.Acquire(ctx, filepath.Join(ctr.Dir(), store.LockFile), true)
	if err != nil {
		return nil, err
	}
	defer func() { lock.Release() }()
	if opts.StartFollows {
		if ctr.net, err = rt.beginNetwork(ctx, c); err != nil {
			return nil, errors.Join(err, ctr.erase(context.WithoutCancel(ctx)))
		}
	}
	if err := ctr.make(ctx, img, plan); err != nil {
		ctr.net.abort()
		return nil, errors.Join(err, ctr.erase(context.WithoutCancel(ctx)))
	}
	rt.event(ctr, "create", nil)
	if opts.StartFollows {
		ctr.lock, lock = lock, nil
	}
	return ctr, nil
}

// withImageLabels adds the image's labels to the container's, which win: who
// looks for containers by label finds those of an image, too.
func withImageLabels(labels map[string]string, img *baseImage) map[string]string {
	if img == nil || len(img.config.Config.Labels) == 0 {
		return labels
	}
	all := maps.Clone(img.config.Config.Labels)
	maps.Copy(all, labels)
	return all
}

// createPlan is what else a container brings into the world.
type createPlan struct {
	pod     *spec.Pod      // made with its infra container
	needs   []string       // containers it depends on
	volumes []*spec.Volume // volumes it uses, made unless there
	ids     *store.Lock    // held while ids for --userns=auto are chosen
	labels  *store.Lock    // held while SELinux categories are chosen
	host    *bundle.Host
}

// release lets others choose: what was chosen is in the database, or never
// will be.
func (p *createPlan) release() {
	p.labels.Release()
	p.ids.Release()
}

func (rt *Runtime) planCreate(ctx context.Context, c *spec.Container, img *baseImage) (*createPlan, error) {
	plan := &createPlan{}
	if err := rt.checkHost(c, plan); err != nil {
		return plan, err
	}
	if err := rt.checkSecrets(ctx, c.Process.Secrets); err != nil {
		return plan, err
	}
	if err := rt.resolveMounts(ctx, c, img, plan); err != nil {
		return plan, err
	}
	if err := rt.resolveUserns(ctx, c, img, plan); err != nil {
		return plan, err
	}
	if err := rt.resolvePorts(ctx, c, img); err != nil {
		return plan, err
	}
	if err := rt.resolveDependencies(ctx, c, plan); err != nil {
		return plan, err
	}
	return plan, rt.resolveLabels(ctx, c, img, plan)
}

// checkAsked refuses what needs no more than the flags, the image and a look
// at this host to be told wrong. It comes before anything is removed for
// --replace.
func checkAsked(c *spec.Container, img *baseImage) error {
	if err := checkHealth(c, img); err != nil {
		return err
	}
	return checkNamed(c)
}

// checkNamed refuses what is named and not there.
func checkNamed(c *spec.Container) error {
	if c.Log.Driver == "journald" && !c.Infra && !native.Here() {
		return WithHint(errors.New("cannot use log driver journald: there is no journald here ("+native.Socket+")"), "use --log-driver k8s-file")
	}
	if _, err := seccompProfile(c); err != nil {
		return err
	}
	if path := c.Process.InitPath; c.Process.Init && path != "" {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("cannot use --init-path %s: %w", path, errors.Unwrap(err))
		}
	}
	_, err := hostdev.Resolve(c.Mounts.Devices)
	return err
}

// checkHost refuses what this host cannot give, before anything is made.
func (rt *Runtime) checkHost(c *spec.Container, plan *createPlan) error {
	r, err := rt.OCI()
	if err != nil {
		return err
	}
	host, err := rt.hostFacts(r, c)
	if err != nil {
		return err
	}
	plan.host = &host
	return bundle.CheckHost(c, host)
}

// seccompProfile reads the file of --security-opt seccomp=FILE.
func seccompProfile(c *spec.Container) ([]byte, error) {
	file := c.Security.Seccomp
	if file == "" || file == "unconfined" {
		return nil, nil
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot use the seccomp profile: %w", err)
	}
	if !json.Valid(body) {
		return nil, fmt.Errorf("cannot use the seccomp profile: %s is not JSON", file)
	}
	return body, nil
}

func (c *Container) make(ctx context.Context, img *baseImage, plan *createPlan) error {
	if err := c.insert(ctx, plan); err != nil {
		return err
	}
	plan.release()
	for _, v := range plan.volumes {
		if err := c.rt.makeVolumeDir(v); err != nil {
			return err
		}
	}
	if c.hasLayer() {
		images, err := c.rt.Images()
		if err != nil {
			return err
		}
		o := image.ContainerOptions{Volatile: c.Container.Remove}
		if l := c.Security.SELinux; l != nil {
			o.ProcessLabel, o.MountLabel = l.Process, l.Mount
		}
		if m := c.Isolation.Mapping; m != nil {
			o.UIDMap, o.GIDMap = layerMapping(m.UIDs), layerMapping(m.GIDs)
		}
		_, err = images.CreateContainer(c.ID, c.Name, img.ID, o)
		if errors.Is(err, image.ErrNameInUse) {
			// By one of ours perhaps that a power cut has left: the listing sweeps it.
			if _, err := c.rt.Containers(ctx); err != nil {
				return err
			}
			_, err = images.CreateContainer(c.ID, c.Name, img.ID, o)
		}
		if err != nil {
			return err
		}
	}
	if err := monitor.CreateRecordFile(filepath.Join(c.Dir(), monitor.RecordFile)); err != nil {
		return err
	}
	c.rt.db.SettleSoon()
	return nil
}

// insert puts the container and the volumes it brings into the database, in
// one transaction, under a name that is free.
func (c *Container) insert(ctx context.Context, plan *createPlan) error {
	given := c.Name != ""
	needs := plan.needs
	if c.Pod != "" && plan.pod == nil {
		p, err := c.rt.Pod(ctx, c.Pod)
		if err != nil {
			return fmt.Errorf("cannot create container: %w", err)
		}
		if p.Infra != "" { // it goes first when the pod goes, whether or not namespaces are shared
			needs = append(slices.Clone(needs), p.Infra)
		}
	}
	for try := 0; ; try++ {
		if !given {
			c.Name = randomName(try)
		}
		var made []string
		err := c.rt.db.Update(ctx, func(t *store.Tx) error {
			if err := c.rt.stillWhole(needs); err != nil {
				return fmt.Errorf("cannot create container: %w", err)
			}
			if plan.pod != nil {
				if err := t.AddPod(plan.pod); err != nil {
					return err
				}
			}
			var names []string
			made = nil
			for _, v := range plan.volumes {
				isNew, err := t.EnsureVolume(v)
				if err != nil {
					return err
				}
				if names = append(names, v.Name); isNew {
					made = append(made, v.Name)
				}
			}
			return t.AddContainer(c.Container, plan.needs, names)
		})
		if err == nil {
			for _, name := range made {
				c.rt.volumeEvent("create", name)
			}
		}
		if errors.Is(err, store.ErrNoPod) {
			return fmt.Errorf("cannot create container: %w", &NoPodError{c.Pod[:12]})
		}
		if !errors.Is(err, store.ErrExists) || plan.pod != nil {
			return err
		}
		if !given && try < 20 {
			continue
		}
		if c.rt.sweepNamed(ctx, c.Name) && try < 20 {
			continue
		}
		return c.nameInUse(ctx)
	}
}

// stillWhole refuses what has come to be removed since it was looked up. Once
// it has agreed, in a transaction that adds what needs them, a removal finds
// that (see beginErasure).
func (rt *Runtime) stillWhole(ids []string) error {
	for _, id := range ids {
		if (&Container{Container: &spec.Container{ID: id}, rt: rt}).halfMade() {
			return &NoContainerError{id[:12]}
		}
	}
	return nil
}

func (c *Container) nameInUse(ctx context.Context) error {
	id := ""
	if other, err := c.rt.db.Container(ctx, c.Name); err == nil {
		id = " by " + other.ID
	}
	return WithHint(fmt.Errorf("cannot create container: the container name %q is already in use%s", c.Name, id),
		"remove it first (carob rm "+c.Name+"), take another name, or use --replace")
}

// chooseImage finds, and if the policy says so pulls, the image.
func (rt *Runtime) chooseImage(ctx context.Context, c *spec.Container, pull PullOptions) (*baseImage, error) {
	if c.Infra {
		return nil, nil
	}
	if c.Rootfs != nil {
		return nil, checkRootfs(c.Rootfs)
	}
	transport, details := image.SplitTransport(c.Image)
	if transport == "docker" {
		transport, c.Image = "", details
	}
	if pull.Policy == "always" || pull.Policy == "newer" || transport != "" && pull.Policy != "never" {
		return rt.pulled(ctx, c, pull)
	}
	img, err := rt.baseImage(c, c.Image)
	var missing *image.NotFoundError
	switch never := pull.Policy == "never"; {
	case errors.As(err, &missing) && never:
		return nil, WithHint(fmt.Errorf("cannot use image %s: it is not in the local storage and the pull policy is never", c.Image),
			"carob pull "+c.Image)
	case err == nil && !pull.fits(img.config) && never:
		return nil, fmt.Errorf("cannot use image %s: the one in the local storage is for %s/%s and the pull policy is never",
			c.Image, img.config.OS, img.config.Architecture)
	case errors.As(err, &missing), err == nil && !pull.fits(img.config):
		return rt.pulled(ctx, c, pull)
	}
	return img, err
}

// fits tells whether an image is for the platform that was asked for. One that
// does not say what it is for fits all.
func (o *PullOptions) fits(c *image.Config) bool {
	os, arch, variant := o.OS, o.Arch, o.Variant
	if o.Platform != "" {
		os, arch, _ = strings.Cut(o.Platform, "/")
		arch, variant, _ = strings.Cut(arch, "/")
	}
	one := func(asked, has string) bool { return asked == "" || has == "" || asked == has }
	return one(os, c.OS) && one(arch, c.Architecture) && one(variant, c.Variant)
}

func (rt *Runtime) pulled(ctx context.Context, c *spec.Container, pull PullOptions) (*baseImage, error) {
	id, err := rt.opts.PullImage(ctx, c.Image, pull)
	if err != nil {
		return nil, err
	}
	return rt.baseImage(c, id)
}

// baseImage is the image of a container together with its configuration.
type baseImage struct {
	*image.Image
	config *image.Config
}

// baseImage looks the image up and notes in c which one it is.
func (rt *Runtime) baseImage(c *spec.Container, ref string) (*baseImage, error) {
	images, err := rt.Images()
	if err != nil {
		return nil, err
	}
	img, name, err := images.LookupName(ref)
	if err != nil {
		return nil, err
	}
	config, err := img.Config()
	if err != nil {
		return nil, err
	}
	if name == "" && len(img.Names) > 0 {
		name = img.Names[0]
	}
	c.ImageID, c.ImageName = img.ID, firstOf(name, c.Image)
	return &baseImage{img, config}, nil
}

func checkRootfs(r *spec.Rootfs) error {
	abs, err := filepath.Abs(r.Path)
	if err != nil {
		return err
	}
	r.Path = abs
	if st, err := os.Stat(abs); err != nil {
		return fmt.Errorf("cannot use --rootfs: %w", err)
	} else if !st.IsDir() {
		return fmt.Errorf("cannot use --rootfs: %s is not a directory", abs)
	}
	return nil
}

// otherContainer reads "container:NAME".
func otherContainer(mode string) (string, bool) { return strings.CutPrefix(mode, "container:") }

// resolveDependencies turns names of other containers into IDs and notes that
// this one cannot do without them.
func (rt *Runtime) resolveDependencies(ctx context.Context, c *spec.Container, plan *createPlan) error {
	for _, mode := range []*string{&c.Isolation.PID, &c.Isolation.IPC, &c.Isolation.UTS, &c.Isolation.Cgroup, &c.Isolation.User, &c.Network.Mode} {
		name, ok := otherContainer(*mode)
		if !ok {
			continue
		}
		other, err := rt.Container(ctx, name)
		if err != nil {
			return fmt.Errorf("cannot join %s: %w", *mode, err)
		}
		if mode == &c.Isolation.IPC && (other.Isolation.IPC == "private" || other.Isolation.IPC == "none") {
			return WithHint(fmt.Errorf("cannot join %s: the IPC namespace of that container is not shareable", *mode),
				"create container "+name+" with --ipc=shareable")
		}
		*mode = "container:" + other.ID
		plan.needs = append(plan.needs, other.ID)
	}
	for i, name := range c.Requires {
		other, err := rt.Container(ctx, name)
		if err != nil {
			return fmt.Errorf("cannot require container %s: %w", name, err)
		}
		c.Requires[i] = other.ID
		plan.needs = append(plan.needs, other.ID)
	}
	return nil
}
