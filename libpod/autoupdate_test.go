package libpod

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
)

func TestWhoWantsToBeUpdated(t *testing.T) {
	for _, tc := range []struct {
		image  string
		labels string // words NAME=VALUE
		policy string // "" none
		err    string
	}{
		{"quay.io/a/b:1", "", "", ""},
		{"quay.io/a/b:1", labelAutoUpdate + "=disabled", "", ""},
		{"quay.io/a/b:1", labelAutoUpdate + "=registry " + labelUnit + "=x.service", "registry", ""},
		{"quay.io/a/b:1", labelAutoUpdate + "=image " + labelUnit + "=x.service", "registry", ""},
		{"busybox", labelAutoUpdate + "=local " + labelUnit + "=x.service", "local", ""},
		{"busybox", labelAutoUpdate + "=registry " + labelUnit + "=x.service", "", "no full name"},
		{"quay.io/a/b:1", labelAutoUpdate + "=registry", "", "no systemd unit has made it"},
		{"quay.io/a/b:1", labelAutoUpdate + "=daily " + labelUnit + "=x.service", "", "neither registry, local nor disabled"},
	} {
		c := &Container{Container: &spec.Container{Name: "c", Image: tc.image, Labels: map[string]string{}}}
		for _, w := range strings.Fields(tc.labels) {
			name, value, _ := strings.Cut(w, "=")
			c.Labels[name] = value
		}
		task, err := updateTaskOf(c)
		policy := ""
		if task != nil {
			policy = task.Policy
		}
		if policy != tc.policy || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s with %q: policy %q, %v", tc.image, tc.labels, policy, err)
		}
	}
}

// world stands in for registry, storage and systemd, and notes what is done.
type world struct {
	remote, local map[string]string // image → ID
	bad           map[string]bool   // units that do not start, with the images there are
	did           []string
}

func (w *world) updater(o AutoUpdateOptions) *updater {
	return &updater{
		opts: o,
		remote: func(_ context.Context, t *updateTask) (string, error) {
			id, ok := w.remote[t.Image]
			if !ok {
				return "", errors.New("no such host")
			}
			return id, nil
		},
		local: func(name string) (string, error) { return w.local[name], nil },
		tag: func(id, name string) error {
			w.did = append(w.did, "tag "+id+" "+name)
			w.bad = nil
			return nil
		},
		restart: func(_ context.Context, unit string) error {
			w.did = append(w.did, "restart "+unit)
			if w.bad[unit] {
				return errors.New("systemd says failed")
			}
			return nil
		},
	}
}

func task(unit, name, policy, id string) *updateTask {
	t := &updateTask{imageID: id}
	t.Unit, t.Name, t.Image, t.Policy = unit, name, name+"-image", policy
	return t
}

func TestUpdates(t *testing.T) {
	tasks := func() []*updateTask {
		return []*updateTask{
			task("pod", "same", UpdateRegistry, "1"), task("alone", "newer", UpdateRegistry, "1"), task("pod", "retagged", UpdateLocal, "1"),
			task("quiet", "untouched", UpdateLocal, "1"), task("lost", "unreachable", UpdateRegistry, "1"),
		}
	}
	for name, tc := range map[string]struct {
		opts    AutoUpdateOptions
		bad     string
		updated string // in the order of the report
		did     string
	}{
		"well":        {AutoUpdateOptions{Rollback: true}, "", "same false, retagged true, newer true, untouched false, unreachable failed", "restart pod, restart alone"},
		"dry":         {AutoUpdateOptions{DryRun: true}, "", "same false, retagged pending, newer pending, untouched false, unreachable failed", ""},
		"rolled back": {AutoUpdateOptions{Rollback: true}, "alone", "same false, retagged true, newer rolled back, untouched false, unreachable failed", "restart pod, restart alone, tag 1 newer-image, restart alone"},
		"given up":    {AutoUpdateOptions{}, "pod", "same false, retagged failed, newer true, untouched false, unreachable failed", "restart pod, restart alone"},
	} {
		w := &world{
			remote: map[string]string{"same-image": "1", "newer-image": "2"}, local: map[string]string{"retagged-image": "2", "untouched-image": "1"},
			bad: map[string]bool{tc.bad: true},
		}
		done, errs := w.updater(tc.opts).all(context.Background(), tasks())
		err := errors.Join(errs...)
		var got []string
		for _, d := range done {
			got = append(got, fmt.Sprint(d.Name, " ", d.Updated))
		}
		if strings.Join(got, ", ") != tc.updated || strings.Join(w.did, ", ") != tc.did {
			t.Errorf("%s: %q by %q", name, got, w.did)
		}
		if err == nil || !strings.Contains(err.Error(), "cannot update container unreachable: no such host") || strings.Contains(err.Error(), "systemd says") != (tc.bad != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInterruptedUpdate: who ends the command while a unit restarts does not
// take the new image from it, nor is a unit left between the two.
func TestInterruptedUpdate(t *testing.T) {
	for name, tc := range map[string]struct {
		interrupted bool // in the middle of the restart; otherwise it fails first
		did         string
	}{
		"waiting": {true, "restart alone"},
		"back":    {false, "restart alone, tag 1 newer-image, restart alone"},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		w := &world{remote: map[string]string{"newer-image": "2"}, bad: map[string]bool{"alone": true}}
		u := w.updater(AutoUpdateOptions{Rollback: true})
		restart := u.restart
		u.restart = func(ctx context.Context, unit string) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := restart(ctx, unit)
			cancel()
			if tc.interrupted {
				return fmt.Errorf("cannot wait: %w", ctx.Err())
			}
			return err
		}
		u.all(ctx, []*updateTask{task("alone", "newer", UpdateRegistry, "1")})
		if did := strings.Join(w.did, ", "); did != tc.did {
			t.Errorf("%s: %q", name, did)
		}
	}
}
