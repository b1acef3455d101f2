package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
	"github.com/carob-containers/carob/pkg/unitfile"
	"github.com/carob-containers/carob/pkg/unitfile/generate"
)

type systemdOptions struct {
	generate.Options
	env                                   []string
	create, files, names, noHeader        bool
	format                                string
	containerPrefix, podPrefix, separator string
	flags                                 *pflag.FlagSet
}

func newGenerateSystemd(a *app) *cobra.Command {
	o := &systemdOptions{}
	cmd := &cobra.Command{
		Use:   "systemd [options] CONTAINER|POD",
		Short: "Write systemd units for a container or for a pod with its containers",
		Long: `Write systemd units for a container or for a pod with its containers, to be put into
~/.config/systemd/user, or, for root, into /etc/systemd/system. The main process of a unit is the
container's monitor: systemd knows when the container runs, when it ends and how.

With --new a unit makes the container anew at each start, with the command that has made it, and
removes it when it stops. Without, it starts and stops the one that is there.`,
		Example: `carob generate systemd --new --name --files web
systemctl --user enable --now container-web.service`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runGenerateSystemd(cmd.Context(), a, o, args[0]) },

		ValidArgsFunction: a.completeContainersAndPods,
	}
	o.flags = cmd.Flags()
	o.addFlags(o.flags)
	return cmd
}

func (o *systemdOptions) addFlags(f *pflag.FlagSet) {
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "time" {
			name = "stop-timeout"
		}
		return pflag.NormalizedName(name)
	})
	seconds := func(to **uint, name, short, text string) {
		f.VarP(maybe(to, "seconds", parseSeconds), name, short, text)
	}
	f.StringArrayVar(&o.After, "after", nil, "unit to come after")
	f.StringVar(&o.containerPrefix, "container-prefix", "container", "what names of containers' units begin with")
	f.StringArrayVarP(&o.env, "env", "e", nil, "environment variable of the units: NAME=VALUE, NAME or NAME* from the caller's")
	f.BoolVarP(&o.files, "files", "f", false, "write the units into files of the current directory and print their paths")
	f.StringVar(&o.format, "format", "", "json: an object with the units, or their paths, by name")
	f.BoolVarP(&o.names, "name", "n", false, "use names instead of IDs")
	f.BoolVar(&o.create, "new", false, "make the container or pod anew at each start")
	f.BoolVar(&o.noHeader, "no-header", false, "leave the comment at the top out")
	f.StringVar(&o.podPrefix, "pod-prefix", "pod", "what names of pods' units begin with")
	f.StringArrayVar(&o.Requires, "requires", nil, "unit that must run, too")
	f.Var(one(&o.RestartPolicy, "policy", parseUnitRestart), "restart-policy",
		"when systemd starts the unit again: no, on-success, on-failure, on-abnormal, on-watchdog, on-abort or always (default: the container's own policy with --new, else on-failure)")
	seconds(&o.RestartSec, "restart-sec", "", "how long systemd waits before that")
	f.StringVar(&o.separator, "separator", "-", "what stands between the prefix and the name")
	seconds(&o.StartTimeout, "start-timeout", "", "how long a start may take")
	seconds(&o.StopTimeout, "stop-timeout", "t", "how long to wait before SIGKILL (default: the container's own)")
	f.BoolVar(&o.Template, "template", false, "write a template, whose instances each have a container of their own; implies --new")
	f.StringArrayVar(&o.Wants, "wants", nil, "unit to start along")
}

func parseUnitRestart(word string) (string, error) {
	switch word {
	case "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always":
		return word, nil
	}
	return "", fmt.Errorf("%s is not a valid restart policy", word)
}

func runGenerateSystemd(ctx context.Context, a *app, o *systemdOptions, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	u := &unitMaker{a: a, rt: rt, o: o}
	if u.paths, err = image.Locate(a.imageOptions()); err != nil {
		return err
	}
	units, err := u.units(ctx, name)
	if err != nil {
		return fmt.Errorf("cannot generate units for %s: %w", name, err)
	}
	if o.files {
		if err := writeUnits(units); err != nil {
			return err
		}
	}
	return a.printUnits(units, o)
}

func (o *systemdOptions) check() error {
	if o.format != "" && !report.IsJSON(o.format) {
		return fmt.Errorf("unknown --format argument: %s", o.format)
	}
	if o.Template && o.flags.Changed("new") && !o.create {
		return errors.New("--template cannot be set with --new=false")
	}
	o.create = o.create || o.Template
	for _, unit := range slices.Concat(o.Wants, o.After, o.Requires) {
		if strings.ContainsAny(unit, "\n\r\\\"'") || strings.TrimSpace(unit) == "" {
			return fmt.Errorf("invalid unit %q: the name of a systemd unit is wanted", unit)
		}
	}
	env := map[string]string{}
	if err := addEnv(env, nil, o.env, os.Environ()); err != nil {
		return err
	}
	o.Env = sortedWords(env)
	if !o.noHeader {
		o.Heading = []string{"made by carob " + version, time.Now().Format(time.UnixDate)}
	}
	return nil
}

func sortedWords(env map[string]string) []string {
	var words []string
	for name, value := range env {
		words = append(words, name+"="+value)
	}
	slices.Sort(words)
	return words
}

// unit is a unit's name, without .service, and its text or path.
type unit struct{ name, text string }

// unitMaker gathers what the generator needs to know.
type unitMaker struct {
	a     *app
	rt    *libpod.Runtime
	o     *systemdOptions
	paths image.Paths
}

func (u *unitMaker) units(ctx context.Context, name string) ([]unit, error) {
	c, err := u.rt.Container(ctx, name)
	var noContainer *libpod.NoContainerError
	if !errors.As(err, &noContainer) {
		if err != nil {
			return nil, err
		}
		return u.single(c)
	}
	p, err := u.rt.Pod(ctx, name)
	var noPod *libpod.NoPodError
	if errors.As(err, &noPod) {
		return nil, fmt.Errorf("%s does not refer to a container or pod: no such container or pod", name)
	}
	if err != nil {
		return nil, err
	}
	return u.pod(ctx, p)
}

func (u *unitMaker) single(c *libpod.Container) ([]unit, error) {
	if c.Infra {
		return nil, libpod.WithHint(errors.New("it is the infra container of a pod"), "carob generate systemd "+c.Pod[:12])
	}
	in, err := u.container(c)
	if err != nil {
		return nil, err
	}
	name := in.Unit
	if u.o.Template {
		name += "@"
	}
	return []unit{{name, in.Text(&u.o.Options)}}, nil
}

func (u *unitMaker) pod(ctx context.Context, p *libpod.Pod) ([]unit, error) {
	all, err := p.Members(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c *libpod.Container) bool { return c.Infra })
	switch {
	case u.o.Template:
		return nil, errors.New("--template is not supported for pods")
	case i < 0:
		return nil, errors.New("the pod has no infra container, whose process systemd could watch")
	case len(all) == 1:
		return nil, errors.New("the pod has no containers")
	case p.Shares("cgroup"):
		return nil, errors.New("the pod shares a cgroup namespace, so its process cannot live in the unit's control group")
	case slices.ContainsFunc(all, func(c *libpod.Container) bool { return c.InitType != "" }):
		return nil, libpod.WithHint(errors.New("the pod has init containers, which have no units of their own"), "make a unit of its YAML: carob generate kube, carob-kube@.service")
	}
	pod := &generate.Pod{Infra: u.word(all[i].ID, all[i].Name)}
	pod.Service = u.service(u.unitName(u.o.podPrefix, p.ID, p.Name), all[i].Container)
	pod.Restart = "always" // every end of an infra container looks the same
	if pod.Create, err = u.podCommand(p); err != nil {
		return nil, err
	}
	members := slices.Delete(slices.Clone(all), i, i+1)
	var units []unit
	for _, c := range members {
		in, err := u.member(c, members, pod.Unit)
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", c.Name, err)
		}
		pod.Members = append(pod.Members, in.Unit)
		units = append(units, unit{in.Unit, in.Text(&u.o.Options)})
	}
	if err := unitfile.CheckName(pod.Unit); err != nil {
		return nil, err
	}
	return append([]unit{{pod.Unit, pod.Text(&u.o.Options)}}, units...), nil
}

func (u *unitMaker) podCommand(p *libpod.Pod) (*generate.Command, error) {
	if !u.o.create {
		return nil, nil
	}
	c, err := podCommand(p.CreateCommand)
	if err != nil {
		return nil, libpod.WithHint(fmt.Errorf("cannot use --new: %w", err), "leave --new out: the unit then starts the pod that is there")
	}
	c.Carob[0] = u.a.selfArgv()[0]
	u.warnRelative("pod "+p.Name, c)
	return c, nil
}

func (u *unitMaker) member(c *libpod.Container, members []*libpod.Container, pod string) (*generate.Container, error) {
	in, err := u.container(c)
	if err != nil {
		return nil, err
	}
	in.Pod = pod
	for _, other := range members {
		if slices.Contains(c.Requires, other.ID) {
			in.Needs = append(in.Needs, u.unitName(u.o.containerPrefix, other.ID, other.Name))
		}
	}
	return in, nil
}

// container is what the unit of c is made of.
func (u *unitMaker) container(c *libpod.Container) (*generate.Container, error) {
	in := &generate.Container{
		Service: u.service(u.unitName(u.o.containerPrefix, c.ID, c.Name), c.Container),
		Name:    u.word(c.ID, c.Name), Notify: c.Process.SdNotify,
	}
	if in.Notify == "" || in.Notify == "ignore" {
		in.Notify = "conmon" // hardly any program says by itself that it is ready
	}
	policy := c.Container.Restart.Policy
	if !u.o.create {
		in.Delegate = c.Resources.Cgroups == "split"
		if policy != "" && policy != spec.RestartNo {
			u.a.warn(fmt.Sprintf("container %s has restart policy %s: carob and systemd will both start it again; leave it to systemd: --new, or a container without a policy", c.Name, policy))
		}
		return in, unitfile.CheckName(in.Unit)
	}
	in.Restart = strings.Replace(policy, "unless-stopped", "always", 1)
	var err error
	if in.Create, err = containerCommand(c.CreateCommand, c.Process.Env); err != nil {
		return nil, libpod.WithHint(fmt.Errorf("cannot use --new: %w", err), "leave --new out: the unit then starts the container that is there")
	}
	in.Create.Carob[0] = in.Carob[0]
	u.warnRelative("container "+c.Name, in.Create)
	return in, unitfile.CheckName(in.Unit)
}

// warnRelative tells of files that the unit's command will not find.
func (u *unitMaker) warnRelative(what string, c *generate.Command) {
	if files := c.RelativeFiles(); len(files) > 0 {
		u.a.warn(fmt.Sprintf("%s was made with %s, which the unit looks for in another directory: make it with a path from / on", what, strings.Join(files, " and ")))
	}
}

func (u *unitMaker) service(name string, c *spec.Container) generate.Service {
	s := generate.Service{Unit: name, Carob: u.a.selfArgv(), StopTimeout: 10, Mounts: []string{u.paths.GraphRoot, u.paths.RunRoot}}
	if c.Process.StopTimeout != nil {
		s.StopTimeout = *c.Process.StopTimeout
	}
	if u.o.create {
		s.Mounts = []string{"%t/containers"} // right for whoever the unit is given to
	}
	return s
}

// word is what commands are to use for it.
func (u *unitMaker) word(id, name string) string {
	if u.o.names {
		return name
	}
	return id
}

func (u *unitMaker) unitName(prefix, id, name string) string {
	if prefix == "" {
		return u.word(id, name)
	}
	return prefix + u.o.separator + u.word(id, name)
}

// writeUnits writes them into the current directory, each whole or not at all.
// What was in place of a unit is replaced: it is generated again.
func writeUnits(units []unit) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	for i := range units {
		path := filepath.Join(here, units[i].name+".service")
		if err := replaceFile(path, units[i].text); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
		units[i].text = path
	}
	return nil
}

func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func (a *app) printUnits(units []unit, o *systemdOptions) error {
	if o.format != "" {
		all := map[string]string{}
		for _, u := range units {
			all[u.name] = u.text
		}
		return report.JSON(a.out, all)
	}
	for i, u := range units {
		if i > 0 && !o.files {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintln(a.out, strings.TrimSuffix(u.text, "\n"))
	}
	return nil
}
