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

	"github.com/carob-containers/carob/libpod/bundle"
	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// UpdateOptions are what can be changed of a container that was made before.
type UpdateOptions struct {
	// Limits are the limits to change; those not given stay.
	Limits  spec.Resources
	Restart *spec.Restart // nil: as it is
	// Env are variables to set, Unset names of those to leave out, Ulimits are
	// those to change, all from the next start on.
	Env     map[string]string
	Unset   []string
	Ulimits []string
	// Health and Startup change the checks; what they leave out stays.
	Health, Startup *spec.Health
}

// Update changes limits, the restart policy and health checks, for now, if the
// container runs, and for later; the environment and ulimits for later only.
func (c *Container) Update(ctx context.Context, o UpdateOptions) error {
	if err := c.refuseInfra("update"); err != nil {
		return err
	}
	lock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	changed, limits, err := c.updated(o)
	if err != nil {
		return fmt.Errorf("cannot update container %s: %w", c.Name, err)
	}
	st, err := c.State()
	if err != nil {
		return err
	}
	if limits || len(o.Ulimits) > 0 {
		if err := c.rt.checkHost(changed, &createPlan{}); err != nil {
			return fmt.Errorf("cannot update container %s: %w", c.Name, err)
		}
	}
	if limits && (st.Running() || st.Status == StateInitialized) {
		if err := c.limit(ctx, changed); err != nil {
			return fmt.Errorf("cannot update container %s: %w", c.Name, err)
		}
	}
	if err := c.rt.db.Update(ctx, func(t *store.Tx) error { return t.ReplaceContainer(changed) }); err != nil {
		return err
	}
	c.Container = changed
	img, _ := c.image() // a missing one has no health check
	err = c.tellMonitor(func(cfg *monitor.Config) {
		cfg.RestartPolicy, cfg.RestartMax = changed.Restart.Policy, changed.Restart.Max
		if o.Health != nil || o.Startup != nil {
			cfg.Health = c.monitorHealth(img)
		}
	})
	if err != nil {
		return fmt.Errorf("container %s is updated, but its monitor could not be told: %w", c.Name, err)
	}
	c.rt.event(c, "update", nil)
	return nil
}

// updated is the changed spec, and whether limits are among the changes. What
// is empty in o.Limits leaves no trace in its JSON and so changes nothing.
func (c *Container) updated(o UpdateOptions) (*spec.Container, bool, error) {
	changed := *c.Container
	patch, err := json.Marshal(o.Limits)
	if err != nil {
		return nil, false, err
	}
	switch r := &changed.Resources; {
	case o.Limits.CPUs != 0:
		r.CPUPeriod, r.CPUQuota = 0, 0
	case o.Limits.CPUPeriod != 0 || o.Limits.CPUQuota != 0:
		r.CPUs = 0
	}
	if err := json.Unmarshal(patch, &changed.Resources); err != nil {
		return nil, false, err
	}
	if o.Restart != nil {
		changed.Restart = *o.Restart
	}
	updateEnv(&changed.Process, o)
	changed.Resources.Ulimits = mergeUlimits(changed.Resources.Ulimits, o.Ulimits)
	if err := c.updateHealth(&changed, o); err != nil {
		return nil, false, err
	}
	return &changed, string(patch) != "{}", changed.Validate()
}

// mergeUlimits puts new limits in the place of old ones of their names; host
// stands alone.
func mergeUlimits(old, changes []string) []string {
	name := func(word string) string {
		n, _, _ := strings.Cut(word, "=")
		return n
	}
	merged := slices.Clone(old)
	for _, word := range changes {
		merged = slices.DeleteFunc(merged, func(have string) bool {
			return name(have) == name(word) || have == "host" || word == "host"
		})
		merged = append(merged, word)
	}
	return merged
}

// updateEnv replaces the map, which is the unchanged container's, too.
func updateEnv(p *spec.Process, o UpdateOptions) {
	env := maps.Clone(p.Env)
	if env == nil {
		env = map[string]string{}
	}
	for _, name := range o.Unset {
		delete(env, name)
	}
	maps.Copy(env, o.Env)
	p.Env = env
	p.UnsetEnv = slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.UnsetEnv, o.Unset))))
}

func (c *Container) updateHealth(changed *spec.Container, o UpdateOptions) error {
	if o.Health == nil && o.Startup == nil {
		return nil
	}
	if c.Probes != nil {
		return errors.New("it has probes instead of a health check")
	}
	for _, part := range []struct {
		of  **spec.Health
		new *spec.Health
	}{{&changed.Health, o.Health}, {&changed.Startup, o.Startup}} {
		if part.new == nil {
			continue
		}
		var old spec.Health
		if *part.of != nil {
			old = **part.of
		}
		merged := spec.MergeHealth(old, *part.new)
		*part.of = &merged
	}
	if s := changed.Startup; s != nil && len(s.Test) == 0 {
		return errors.New("a startup health check needs its command: --health-startup-cmd")
	}
	if o.Health != nil && len(o.Health.Test) > 0 && o.Health.Test[0] == "NONE" {
		changed.Health, changed.Startup = o.Health, nil
	}
	img, err := c.image()
	if err != nil {
		return err
	}
	return checkHealth(changed, img)
}

// limit lets the OCI runtime change the limits of the running container.
func (c *Container) limit(ctx context.Context, changed *spec.Container) error {
	r, err := c.rt.OCI()
	if err != nil {
		return err
	}
	host, err := c.rt.hostFacts(r, changed)
	if err != nil {
		return err
	}
	l := &launcher{c: &Container{Container: changed, rt: c.rt}, in: bundle.Input{Spec: changed, Host: host}}
	if err := l.resolveDevices(ctx); err != nil {
		return err
	}
	resources, err := bundle.Resources(l.in)
	if err != nil {
		return err
	}
	body, err := json.Marshal(resources)
	if err != nil {
		return err
	}
	file := filepath.Join(c.RunDir(), "resources.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	return r.Run(ctx, c.cgroupManager(r), "update", "--resources", file, c.ID)
}
