package quadlet

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// Options say how services are made.
type Options struct {
	User  bool   // for an ordinary user's service manager
	Carob string // path of carob, for the command lines
}

// Result is what became of the units of a set.
type Result struct {
	Services []Service
	Warnings []string
	Err      error // of the units that became no service, each with file and line
}

// Service is a service file, and the links that enable it.
type Service struct {
	Name  string // shop.service
	Text  string
	Links []Link

	unit *Unit
}

// Sections that more than one function speaks of.
const (
	unitSection    = "Unit"
	serviceSection = "Service"
	installSection = "Install"
	quadletSection = "Quadlet"
)

// Generate converts all units of a set. One that cannot be converted does not
// keep the others from it.
func (s *Set) Generate(o Options) *Result {
	r := &Result{}
	var errs []error
	made := map[string]*Unit{}
	names, circles, members := s.names(), s.circles(o), map[*Unit][]string{}
	for _, u := range s.Units {
		c := &conversion{Unit: u, set: s, options: o, members: members[u]}
		service, err := c.service()
		if err == nil {
			err = circles[u]
		}
		if other := made[u.Service]; err == nil && other != nil {
			err = fmt.Errorf("%s: its service would be %s.service, and so is that of %s", u.Path, u.Service, other.Path)
		}
		if err == nil {
			err = names.take(u)
		}
		for _, w := range c.warnings {
			r.Warnings = append(r.Warnings, fmt.Sprintf("converting %q: %s", u.Name, w))
		}
		if err != nil {
			errs = append(errs, eachError(fmt.Sprintf("converting %q", u.Name), err)...)
			continue
		}
		made[u.Service] = u
		if c.pod != nil {
			members[c.pod] = append(members[c.pod], u.Service)
		}
		r.Services = append(r.Services, *service)
	}
	slices.SortFunc(r.Services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	r.Err = errors.Join(errs...)
	return r
}

// names are those of services and aliases, and the units they belong to.
type names map[string]*Unit

// names has the services of all units, of those with mistakes as well: no
// alias may mean two things, now or once a mistake is put right.
func (s *Set) names() names {
	n := names{}
	for _, u := range s.Units {
		if n[u.Service+".service"] == nil {
			n[u.Service+".service"] = u
		}
	}
	return n
}

// take gives a unit its aliases, unless one belongs to another unit.
func (n names) take(u *Unit) error {
	aliases, err := u.aliases()
	if err != nil {
		return err
	}
	for _, a := range aliases {
		if other := n[a.name]; other != nil && other != u {
			return a.entry.Fail("Alias: %s belongs to %s", a.name, other.Path)
		}
	}
	for _, a := range aliases {
		n[a.name] = u
	}
	return nil
}

// eachError puts a prefix before each of the errors that err joins, so that
// each is a line of its own.
func eachError(prefix string, err error) []error {
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{fmt.Errorf("%s: %w", prefix, err)}
	}
	var all []error
	for _, e := range list.Unwrap() {
		all = append(all, eachError(prefix, e)...)
	}
	return all
}

// conversion is a unit on its way to a service.
type conversion struct {
	*Unit
	set      *Set
	options  Options
	out      *unitfile.File
	cmd      []string // words of the command, which the keys add to
	warnings []string
	needs    []need   // what the service cannot run without
	pod      *Unit    // of a container: the pod that starts it
	members  []string // of a pod: the services that start with it
}

// service converts the unit.
func (c *conversion) service() (*Service, error) {
	u := c.Unit
	c.out = u.file.Clone()
	c.out.Rename(u.kind.section, "X-"+u.kind.section)
	c.out.Rename(quadletSection, "X-"+quadletSection)
	for _, step := range []func() error{c.checkKeys, c.unitSection, func() error { return u.kind.convert(c) }} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	links, err := c.links()
	if err != nil {
		return nil, err
	}
	return &Service{Name: u.Service + ".service", Text: c.out.String(), Links: links, unit: u}, nil
}

// checkKeys refuses keys that would have no effect.
func (c *conversion) checkKeys() error {
	var errs []error
	for _, part := range []struct {
		section string
		keys    []key
	}{{c.kind.section, c.kind.keys}, {quadletSection, quadletKeys}} {
		for _, e := range c.file.Entries(part.section) {
			if !slices.ContainsFunc(part.keys, func(k key) bool { return k.name == e.Key }) {
				errs = append(errs, fmt.Errorf("unsupported key '%s' in group '%s' in %s:%d", e.Key, part.section, e.Path, e.Line))
			}
		}
	}
	return errors.Join(errs...)
}

// dependencyKeys are the keys of [Unit] that name other units.
func dependencyKeys() []string {
	return []string{
		"After", "Before", "BindsTo", "Conflicts", "OnFailure", "OnSuccess", "PartOf", "PropagatesReloadTo", "PropagatesStopTo",
		"ReloadPropagatedFrom", "Requires", "Requisite", "StopPropagatedFrom", "Upholds", "Wants",
	}
}

// unitSection completes the section [Unit].
func (c *conversion) unitSection() error {
	if err := c.translateDependencies(); err != nil {
		return err
	}
	wanted := true
	if e, ok := c.file.Last(quadletSection, "DefaultDependencies"); ok && e.Value != "" {
		var err error
		if wanted, err = unitfile.Bool(e.Value); err != nil {
			return e.Fail("DefaultDependencies: %v", err)
		}
	}
	if wanted {
		// Units of users cannot wait for those of the system: a service does it for them.
		online := "network-online.target"
		if c.options.User {
			online = "carob-user-wait-network-online.service"
		}
		c.out.Prepend(unitSection, "After", online)
		c.out.Prepend(unitSection, "Wants", online)
	}
	c.out.Add(unitSection, "SourcePath", unitfile.Escape(c.Path))
	c.out.Add(unitSection, "RequiresMountsFor", "%t/containers")
	return nil
}

// translateDependencies puts the names of services in place of those of units
// of this package.
func (c *conversion) translateDependencies() error {
	for i, s := range c.out.Sections {
		if s.Name != unitSection {
			continue
		}
		for k, e := range s.Entries {
			if !slices.Contains(dependencyKeys(), e.Key) {
				continue
			}
			value, err := c.translate(e)
			if err != nil {
				return err
			}
			c.out.Sections[i].Entries[k].Value = value
		}
	}
	return nil
}

func (c *conversion) translate(e unitfile.Entry) (string, error) {
	words, err := unitfile.Split(e.Value)
	if err != nil {
		return "", e.Fail("%s: %v", e.Key, err)
	}
	changed := false
	for i, word := range words {
		if kindOf(word) == nil {
			continue
		}
		other, err := c.other(e, word)
		if err != nil {
			return "", err
		}
		words[i], changed = c.serviceOf(other), true
	}
	if !changed {
		return e.Value, nil
	}
	return strings.Join(words, " "), nil
}

// other is the unit that a line names. An instance names one of the same
// instance by its template.
func (c *conversion) other(e unitfile.Entry, name string) (*Unit, error) {
	if expanded, ok := c.expand(name); ok {
		name = expanded
	}
	u := c.set.Find(name)
	if _, own, _ := c.base(); u != nil && u.isTemplate() && own != "" {
		name = strings.TrimSuffix(name, u.kind.suffix) + own + u.kind.suffix
		u = nil
	}
	if u == nil {
		u = c.set.instance(name)
	}
	if u == nil {
		return nil, e.Fail("%s: there is no unit %s", e.Key, name)
	}
	return u, nil
}

// instance is the unit of a file name that may be that of an instance of a
// template; nil: there is neither.
func (s *Set) instance(name string) *Unit {
	if u := s.Find(name); u != nil {
		return u
	}
	suffix := filepath.Ext(name)
	base, instance, _ := strings.Cut(strings.TrimSuffix(name, suffix), "@")
	template := s.Find(base + "@" + suffix)
	if instance == "" || template == nil || !strings.HasSuffix(template.Service, "@") {
		return nil
	}
	return template.instance(instance)
}

// serviceOf is the name by which the service of c names that of another unit.
func (c *conversion) serviceOf(u *Unit) string {
	if prefix, ok := strings.CutSuffix(u.Service, "@"); ok && c.isTemplate() {
		return prefix + "@%i.service" // the instance of the same name
	}
	return u.Service + ".service"
}

// require makes the service depend on that of another unit, and returns the
// name of what that one makes.
func (c *conversion) require(e unitfile.Entry, name string) (string, error) {
	u, err := c.other(e, name)
	if err != nil {
		return "", err
	}
	resource := u.elsewhere()
	if resource == "" || u.isTemplate() && !c.isTemplate() {
		return "", e.Fail("%s: what %s makes has a name that only its own service can tell", e.Key, name)
	}
	c.needs = append(c.needs, need{u.written(), e})
	c.addOnce("Requires", c.serviceOf(u))
	c.addOnce("After", c.serviceOf(u))
	return resource, nil
}

// addOnce adds to [Unit] what is not there yet.
func (c *conversion) addOnce(key, value string) {
	for _, e := range c.out.All(unitSection, key) {
		if e.Value == value {
			return
		}
	}
	c.out.Add(unitSection, key, value)
}

// add appends words to the command.
func (c *conversion) add(words ...string) { c.cmd = append(c.cmd, words...) }

// carob begins a command: the program and its global flags.
func (c *conversion) carob(words ...string) ([]string, error) {
	cmd := []string{unitfile.Escape(c.options.Carob)}
	for _, e := range c.all("ContainersConfModule") {
		cmd = append(cmd, "--module="+unitfile.Text(e.Value))
	}
	global, err := c.args("GlobalArgs")
	return append(append(cmd, global...), words...), err
}

// exec adds a command line to the service.
func (c *conversion) exec(key string, words ...string) error {
	cmd, err := c.carob(words...)
	if err == nil {
		c.out.Add(serviceSection, key, unitfile.Join(cmd))
	}
	return err
}

// args are the words of all lines of a key, as of command lines.
func (c *conversion) args(key string) ([]string, error) {
	var words []string
	for _, e := range c.all(key) {
		more, err := unitfile.SplitCommand(e.Value)
		if err != nil {
			return nil, e.Fail("%s: %v", key, err)
		}
		words = append(words, more...)
	}
	return words, nil
}

// keys has every key add its words, in the order of the table; PodmanArgs, the
// user's last word, comes after all others.
func (c *conversion) keys() error {
	for _, k := range c.kind.keys {
		if k.put == nil {
			continue
		}
		if err := k.put(c, k); err != nil {
			return err
		}
	}
	more, err := c.args("PodmanArgs")
	c.add(more...)
	return err
}

// path is a file name seen from the unit's directory. What begins with a
// specifier is left to systemd.
func (c *conversion) path(name string) string {
	if filepath.IsAbs(name) || strings.HasPrefix(name, "%") && !strings.HasPrefix(name, "%%") {
		return name
	}
	return filepath.Join(literal(filepath.Dir(c.Path)), name)
}

// literal is text that systemd is to expand nothing in, in a command line.
func literal(text string) string {
	return strings.ReplaceAll(unitfile.Escape(text), "$", "$$")
}

// oneshot completes the section of a service whose command ends.
func (c *conversion) oneshot(remain bool) {
	c.out.Default(serviceSection, "SyslogIdentifier", "%N")
	c.out.Default(serviceSection, "Type", "oneshot")
	if remain {
		c.out.Default(serviceSection, "RemainAfterExit", "yes")
	}
}

// supervised completes the section of a service with a main process, and tells
// whether it is one: Type=oneshot is allowed as well.
func (c *conversion) supervised() (bool, error) {
	mode, ok := c.out.Last(serviceSection, "KillMode")
	switch {
	case !ok || mode.Value == "":
		// The monitor is told to end, not killed; it takes the container along.
		c.out.Set(serviceSection, "KillMode", "mixed")
	case mode.Value != "mixed" && mode.Value != "control-group":
		return false, mode.Fail("invalid KillMode '%s': mixed or control-group is wanted", mode.Value)
	}
	c.out.Add(serviceSection, "Environment", "PODMAN_SYSTEMD_UNIT=%n")
	c.out.Default(serviceSection, "SyslogIdentifier", "%N")
	t, _ := c.out.Last(serviceSection, "Type")
	switch t.Value {
	case "oneshot":
		return false, nil
	case "", "notify":
		c.out.Set(serviceSection, "Type", "notify")
		c.out.Set(serviceSection, "NotifyAccess", "all")
		return true, nil
	}
	return false, t.Fail("invalid service Type '%s': notify or oneshot is wanted", t.Value)
}
