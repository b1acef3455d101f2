// Package generate writes the units that have systemd run containers and pods
// (systemd.service(5)). It is pure: all it needs comes with its arguments.
//
// Every unit is of Type=notify: `carob start` and `carob run -d` name the
// container's monitor as the main process and end. A pod's main process is that
// of its infra container. What ExecStop could not do, ExecStopPost does again,
// also after the main process was killed, so that a unit that is down has left
// nothing that runs.
package generate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// Options are what all units of one call have in common.
type Options struct {
	// Heading are lines of comment at the top, below the unit's name; none
	// leaves out the name, too.
	Heading                []string
	Wants, After, Requires []string // names of units, besides those that are always there
	Env                    []string // NAME=VALUE
	RestartPolicy          string   // "": each unit's own
	RestartSec             *uint    // seconds; nil: systemd's default
	StartTimeout           *uint    // seconds; nil: systemd's default
	StopTimeout            *uint    // seconds until SIGKILL; nil: each container's own
	Template               bool
}

// Service is what units of containers and of pods have in common.
type Service struct {
	Unit        string   // its name, without .service and @
	Carob       []string // argv of a carob that works on the same state
	Restart     string   // systemd's word, "": on-failure
	StopTimeout uint     // seconds
	// Mounts are directories that must be there; in systemd's words, that is
	// with specifiers.
	Mounts []string
	// Create makes a new one at each start; nil: what is there is started.
	Create *Command
}

// Container is a container and how its unit hangs together with others.
type Container struct {
	Service
	Name   string // the name or ID to use for it
	Notify string // mode of --sdnotify
	// Delegate: its control group is to be made below the unit's.
	Delegate bool
	Pod      string   // the pod's unit, "" without one
	Needs    []string // units of containers that it requires
}

// Pod is a pod with the units of its members.
type Pod struct {
	Service
	Infra   string // the name or ID of its infra container
	Members []string
}

// Command is a command that has made something, taken apart.
type Command struct {
	Carob []string // argv up to the command
	Flags []Flag
	Args  []string
	// Env are the variables that the flags take from the environment,
	// NAME=VALUE.
	Env []string
}

// Flag is a flag as given.
type Flag struct {
	Name, Value string
	Bare        bool // it stands without its value
}

// RelativeFiles are the host's files that the command names as seen from the
// directory it was given in, which is not the unit's.
func (c *Command) RelativeFiles() []string {
	var files []string
	for _, f := range c.Flags {
		file := ""
		switch f.Name {
		case "env-file", "label-file":
			file = f.Value
		case "volume": // without a dot in front it is a volume's name
			if file, _, _ = strings.Cut(f.Value, ":"); !strings.HasPrefix(file, ".") {
				file = ""
			}
		case "mount":
			file = bindSource(f.Value)
		}
		if file != "" && file[0] != '/' {
			files = append(files, file)
		}
	}
	return files
}

// bindSource is what a mount of the host's files mounts; "": it is another one.
func bindSource(mount string) string {
	fields := strings.Split(mount, ",")
	if !slices.Contains(fields, "type=bind") {
		return ""
	}
	for _, field := range fields {
		if name, value, _ := strings.Cut(field, "="); name == "src" || name == "source" {
			return value
		}
	}
	return ""
}

// Without is the command without the flags of these names.
func (c *Command) Without(names ...string) *Command {
	out := *c
	out.Flags = slices.DeleteFunc(slices.Clone(c.Flags), func(f Flag) bool { return slices.Contains(names, f.Name) })
	return &out
}

// Value is that of the last flag of a name, "" without one.
func (c *Command) Value(name string) string {
	value := ""
	for _, f := range c.Flags {
		if f.Name == name {
			value = f.Value
		}
	}
	return value
}

// Text is the unit of a container.
func (c *Container) Text(o *Options) string {
	f := begin(&c.Service, o)
	var bound []string
	for _, unit := range append(slices.Clone(c.Needs), c.Pod) {
		if unit != "" {
			bound = append(bound, unit+".service")
		}
	}
	if len(bound) > 0 {
		f.Add("Unit", "BindsTo", strings.Join(bound, " "))
		f.Add("Unit", "After", strings.Join(bound, " "))
	}
	c.addService(f, o)
	if c.Delegate {
		f.Add("Service", "Delegate", "yes")
	}
	if c.Create == nil {
		c.addExisting(f, o)
	} else {
		c.addNew(f, o)
	}
	return end(f, &c.Service, o)
}

func (c *Container) addExisting(f *unitfile.File, o *Options) {
	stop := line(c.Carob, "stop", "-t", c.seconds(o), literal(c.Name))
	f.Add("Service", "ExecStart", line(c.Carob, "start", "--sdnotify="+c.Notify, literal(c.Name)))
	f.Add("Service", "ExecStop", stop)
	f.Add("Service", "ExecStopPost", stop)
}

// idFile holds the ID of the container that the unit has made.
const idFile = "%t/%n.ctr-id"

func (c *Container) addNew(f *unitfile.File, o *Options) {
	own := []string{"--cidfile=" + idFile, "--cgroups=no-conmon", "--rm", "--sdnotify=" + c.Notify, "-d", "--replace"}
	create := c.Create.Without("cidfile", "cgroups", "rm", "sdnotify", "detach", "replace", "restart", "attach", "sig-proxy")
	if c.Pod != "" {
		own = append(own, "--pod-id-file="+podFile(c.Pod))
		create = create.Without("pod", "pod-id-file")
	}
	if create.Value("name") == "" {
		own = slices.DeleteFunc(own, func(word string) bool { return word == "--replace" })
	}
	f.Add("Service", "ExecStartPre", line([]string{"/bin/rm"}, "-f", idFile))
	f.Add("Service", "ExecStart", create.line([]string{"run"}, own, o.Template))
	f.Add("Service", "ExecStop", line(c.Carob, "stop", "--ignore", "-t", c.seconds(o), "--cidfile="+idFile))
	f.Add("Service", "ExecStopPost", line(c.Carob, "rm", "-f", "-v", "--ignore", "-t", c.seconds(o), "--cidfile="+idFile))
}

// Text is the unit of a pod.
func (p *Pod) Text(o *Options) string {
	f := begin(&p.Service, o)
	var members []string
	for _, unit := range p.Members {
		members = append(members, unit+".service")
	}
	f.Add("Unit", "Wants", strings.Join(members, " "))
	f.Add("Unit", "Before", strings.Join(members, " "))
	p.addService(f, o)
	// Process 1 of a pid namespace, which the infra container's is, hears no
	// other signal: so ends it whoever stops the pod.
	f.Add("Service", "SuccessExitStatus", "SIGKILL")
	if p.Create == nil {
		stop := line(p.Carob, "stop", "-t", p.seconds(o), literal(p.Infra))
		f.Add("Service", "ExecStart", line(p.Carob, "start", "--sdnotify=conmon", literal(p.Infra)))
		f.Add("Service", "ExecStop", stop)
		f.Add("Service", "ExecStopPost", stop)
		return end(f, &p.Service, o)
	}
	file := podFile(p.Unit)
	create := p.Create.Without("pod-id-file", "replace", "restart", "infra-conmon-pidfile")
	f.Add("Service", "ExecStartPre", line([]string{"/bin/rm"}, "-f", file))
	f.Add("Service", "ExecStartPre", create.line([]string{"pod", "create"}, []string{"--pod-id-file=" + file, "--replace"}, false))
	f.Add("Service", "ExecStart", line(p.Carob, "pod", "start", "--pod-id-file="+file))
	f.Add("Service", "ExecStop", line(p.Carob, "pod", "stop", "--ignore", "-t", p.seconds(o), "--pod-id-file="+file))
	f.Add("Service", "ExecStopPost", line(p.Carob, "pod", "rm", "--ignore", "-f", "-t", p.seconds(o), "--pod-id-file="+file))
	return end(f, &p.Service, o)
}

// podFile holds the ID of the pod that a unit has made; its members read it.
func podFile(unit string) string { return "%t/" + unit + ".pod-id" }

// begin is the [Unit] section as far as it is the same for all.
func begin(s *Service, o *Options) *unitfile.File {
	f := &unitfile.File{}
	description := "Carob " + s.Unit + ".service"
	if o.Template {
		description += " for %I"
	}
	f.Add("Unit", "Description", description)
	f.Add("Unit", "Documentation", "man:carob-generate-systemd(1)")
	f.Add("Unit", "Wants", "network-online.target")
	f.Add("Unit", "After", "network-online.target")
	f.Add("Unit", "RequiresMountsFor", unitfile.Join(s.Mounts))
	for _, d := range []struct {
		key   string
		units []string
	}{{"Wants", o.Wants}, {"After", o.After}, {"Requires", o.Requires}} {
		if len(d.units) > 0 {
			f.Add("Unit", d.key, strings.Join(d.units, " "))
		}
	}
	return f
}

// stopGrace is how many seconds systemd gives a stop beyond the container's
// own time.
const stopGrace = 60

func (s *Service) addService(f *unitfile.File, o *Options) {
	f.Add("Service", "Type", "notify")
	f.Add("Service", "NotifyAccess", "all")
	// auto-update finds the unit by it.
	f.Add("Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n")
	env := o.Env
	if s.Create != nil {
		env = slices.Concat(env, s.Create.Env)
	}
	for _, v := range env {
		f.Add("Service", "Environment", unitfile.Join([]string{unitfile.Escape(v)}))
	}
	f.Add("Service", "Restart", first(o.RestartPolicy, s.Restart, "on-failure"))
	if o.RestartSec != nil {
		f.Add("Service", "RestartSec", strconv.FormatUint(uint64(*o.RestartSec), 10))
	}
	if o.StartTimeout != nil {
		f.Add("Service", "TimeoutStartSec", strconv.FormatUint(uint64(*o.StartTimeout), 10))
	}
	f.Add("Service", "TimeoutStopSec", strconv.FormatUint(uint64(s.stopTimeout(o))+stopGrace, 10))
}

func (s *Service) stopTimeout(o *Options) uint {
	if o.StopTimeout != nil {
		return *o.StopTimeout
	}
	return s.StopTimeout
}

func (s *Service) seconds(o *Options) string {
	return strconv.FormatUint(uint64(s.stopTimeout(o)), 10)
}

// end adds what comes last and puts the heading on top.
func end(f *unitfile.File, s *Service, o *Options) string {
	f.Add("Install", "WantedBy", "default.target")
	name := s.Unit + ".service"
	if o.Template {
		name = s.Unit + "@.service"
	}
	var b strings.Builder
	for i, text := range o.Heading {
		if i == 0 {
			fmt.Fprintf(&b, "# %s\n", name)
		}
		fmt.Fprintf(&b, "# %s\n", text)
	}
	if len(o.Heading) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(f.String())
	return b.String()
}

// line makes an Exec line of carob's argv and words that are systemd's already.
func line(argv []string, words ...string) string {
	return strings.Join(append([]string{program(argv)}, words...), " ")
}

// program writes argv. In its first word, a path, systemd expands no variable.
func program(argv []string) string {
	path := unitfile.Join([]string{unitfile.Escape(argv[0])})
	if len(argv) == 1 {
		return path
	}
	return path + " " + literals(argv[1:])
}

// line makes an Exec line of the command, with the flags of the unit's own
// before those it was given, one a line.
func (c *Command) line(verb, own []string, template bool) string {
	parts := []string{line(c.Carob, verb...)}
	parts = append(parts, own...)
	for _, f := range c.Flags {
		word := "--" + f.Name
		if !f.Bare {
			word += "=" + f.Value
		}
		word = literal(word)
		if template && f.Name == "name" {
			word += "-%i"
		}
		parts = append(parts, word)
	}
	if len(c.Args) > 0 {
		args := literals(c.Args)
		if strings.HasPrefix(c.Args[0], "-") {
			args = "-- " + args
		}
		parts = append(parts, args)
	}
	return strings.Join(parts, " \\\n\t")
}

// literal makes a word of an Exec line that systemd gives on as it is: no
// specifier and no variable is expanded in it.
func literal(word string) string { return literals([]string{word}) }

func literals(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strings.ReplaceAll(unitfile.Escape(w), "$", "$$")
	}
	return unitfile.Join(quoted)
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
