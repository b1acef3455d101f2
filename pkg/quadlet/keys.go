package quadlet

import (
	"fmt"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// key is a row of the tables of keys: what a key adds to the command.
type key struct {
	name string
	flag string // words of the command, for those put functions that need no more
	put  func(*conversion, key) error
	note string // what becomes of it, where flag does not say it
}

// becomes describes the row for docs/quadlet.md.
func (k key) becomes() string {
	if k.note != "" {
		return k.note
	}
	return "`" + k.flag + "`"
}

// quadletKeys are those of [Quadlet], which every unit can have.
var quadletKeys = []key{
	{name: "DefaultDependencies", note: "`no`: the service does not wait for the network"},
}

// last puts the flag and the value that counts; an empty one is none.
func last(c *conversion, k key) error {
	if value := c.last(k.name); value != "" {
		c.add(k.flag, value)
	}
	return nil
}

// each puts the flag before the value of each line.
func each(c *conversion, k key) error {
	for _, e := range c.all(k.name) {
		c.add(k.flag, unitfile.Text(e.Value))
	}
	return nil
}

// words puts the flag before each word of each line.
func words(c *conversion, k key) error { return c.eachWord(k, unitfile.Split, plain) }

// lower does so with small letters.
func lower(c *conversion, k key) error { return c.eachWord(k, unitfile.Split, strings.ToLower) }

// arguments does so for words that may have escapes.
func arguments(c *conversion, k key) error { return c.eachWord(k, unitfile.SplitCommand, plain) }

func plain(word string) string { return word }

func (c *conversion) eachWord(k key, split func(string) ([]string, error), change func(string) string) error {
	for _, e := range c.all(k.name) {
		list, err := split(e.Value)
		if err != nil {
			return e.Fail("%s: %v", k.name, err)
		}
		for _, word := range list {
			c.add(k.with(change(word))...)
		}
	}
	return nil
}

// with are the flag's words and a value: the last word of a flag that ends
// with = or : is joined with it.
func (k key) with(value string) []string {
	list := strings.Fields(k.flag)
	if end := list[len(list)-1]; strings.HasSuffix(end, "=") || strings.HasSuffix(end, ":") {
		list[len(list)-1] = end + value
		return list
	}
	return append(list, value)
}

// joined puts a value that is joined with the flag.
func joined(c *conversion, k key) error {
	if value := c.last(k.name); value != "" {
		c.add(k.with(value)...)
	}
	return nil
}

// yesNo puts a flag that is on or off.
func yesNo(c *conversion, k key) error {
	on, ok, err := c.boolean(k.name)
	switch {
	case err != nil || !ok:
		return err
	case on:
		c.add(k.flag)
	default:
		c.add(k.flag + "=false")
	}
	return nil
}

// onlyYes puts the flag's words when the key is on.
func onlyYes(c *conversion, k key) error {
	on, _, err := c.boolean(k.name)
	if on {
		c.add(strings.Fields(k.flag)...)
	}
	return err
}

// boolean is the value of a key; ok tells whether there is one.
func (c *conversion) boolean(name string) (on, ok bool, err error) {
	e, ok := c.file.Last(c.kind.section, name)
	if !ok || e.Value == "" {
		return false, false, nil
	}
	on, err = unitfile.Bool(e.Value)
	if err != nil {
		return false, false, e.Fail("%s: %v", name, err)
	}
	return on, true, nil
}

// pairs puts the flag before each NAME=VALUE, or NAME. Of two with one name
// the later counts.
func pairs(c *conversion, k key) error {
	var order []string
	value := map[string]string{}
	for _, e := range c.all(k.name) {
		list, err := unitfile.SplitCommand(e.Value)
		if err != nil {
			return e.Fail("%s: %v", k.name, err)
		}
		for _, word := range list {
			name, _, _ := strings.Cut(word, "=")
			if name == "" {
				return e.Fail("%s: %q has no name before the =", k.name, word)
			}
			if _, have := value[name]; !have {
				order = append(order, name)
			}
			value[name] = word
		}
	}
	for _, name := range order {
		c.add(k.flag, value[name])
	}
	return nil
}

// network puts --network, where a unit's name may stand for what it makes.
func network(c *conversion, k key) error {
	for _, e := range c.all(k.name) {
		value := unitfile.Text(e.Value)
		name, options, more := strings.Cut(value, ":")
		switch {
		case strings.HasSuffix(name, ".network"):
			resource, err := c.require(e, name)
			if err != nil {
				return err
			}
			value = resource
			if more {
				value += ":" + options
			}
		case strings.HasSuffix(name, ".container"):
			if more {
				return e.Fail("Network: options cannot be given for the network of another container")
			}
			resource, err := c.require(e, name)
			if err != nil {
				return err
			}
			value = "container:" + resource
		}
		c.add(k.flag, value)
	}
	return nil
}

// volume puts --volume.
func volume(c *conversion, k key) error {
	for _, e := range c.all(k.name) {
		value := unitfile.Text(e.Value)
		source, rest, both := strings.Cut(value, ":")
		if both {
			resolved, err := c.source(e, source, ".volume", ".artifact")
			if err != nil {
				return err
			}
			value = resolved + ":" + rest
		}
		c.add(k.flag, value)
	}
	return nil
}

// source resolves where a mount comes from: a unit of one of the kinds, a path
// seen from the unit's directory, or a name.
func (c *conversion) source(e unitfile.Entry, source string, kinds ...string) (string, error) {
	if source == "" {
		return "", e.Fail("%s: the source is empty", e.Key)
	}
	for _, suffix := range kinds {
		if strings.HasSuffix(source, suffix) && !strings.Contains(source, "/") {
			return c.require(e, source)
		}
	}
	if source[0] == '.' {
		source = c.path(source)
	}
	if source[0] == '/' {
		// A command line has $ doubled, a list of paths has not.
		c.out.Add(unitSection, "RequiresMountsFor", unitfile.Join([]string{strings.ReplaceAll(source, "$$", "$")}))
	}
	return source, nil
}

// imageOf resolves the name of an image, which may be that of a unit.
func (c *conversion) imageOf(key string) (string, error) {
	e, _ := c.file.Last(c.kind.section, key)
	name := unitfile.Text(e.Value)
	if strings.HasSuffix(name, ".image") || strings.HasSuffix(name, ".build") {
		return c.require(e, name)
	}
	if name != "" && !qualified(name) {
		c.warnings = append(c.warnings, fmt.Sprintf("%s:%d: the image %s has no registry in its name: which one it comes from is up to the host's settings", e.Path, e.Line, name))
	}
	return name, nil
}

// qualified tells whether a name says where the image comes from: by a
// registry, a transport, or because it is an ID.
func qualified(name string) bool {
	first, _, slash := strings.Cut(name, "/")
	return slash && strings.ContainsAny(first, ".:%$") || first == "localhost" ||
		strings.Contains(name, "$") || strings.HasPrefix(name, "%") || strings.HasPrefix(name, "sha256:") ||
		len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// remap puts the flags for the keys that came before UserNS, UIDMap and GIDMap.
func remap(c *conversion, k key) error {
	how := c.last(k.name)
	uids, err := c.list("RemapUid")
	if err != nil {
		return err
	}
	gids, err := c.list("RemapGid")
	if err != nil {
		return err
	}
	if how == "" && len(uids)+len(gids) == 0 {
		return nil
	}
	for _, other := range []string{"UserNS", "UIDMap", "GIDMap", "SubUIDMap", "SubGIDMap"} {
		if c.file.Has(c.kind.section, other) {
			return c.fail(k.name, "RemapUsers, RemapUid and RemapGid cannot be set together with %s", other)
		}
	}
	switch how {
	case "manual":
		return c.remapByHand(uids, gids)
	case "auto":
		return c.remapInto("auto", c.remapOptions(uids, gids, "uidmapping=", "gidmapping=", "size="))
	case "keep-id":
		if len(uids) > 1 || len(gids) > 1 {
			return c.fail(k.name, "RemapUsers=keep-id takes one RemapUid and one RemapGid")
		}
		return c.remapInto("keep-id", c.remapOptions(uids, gids, "uid=", "gid=", ""))
	case "":
		return c.fail("RemapUid", "RemapUid and RemapGid need RemapUsers")
	}
	return c.fail(k.name, "unsupported RemapUsers option '%s': manual, auto or keep-id is wanted", how)
}

func (c *conversion) remapByHand(uids, gids []string) error {
	if c.kind.suffix == ".kube" {
		return c.fail("RemapUsers", "RemapUsers=manual is not for Kubernetes YAML")
	}
	for _, m := range uids {
		c.add("--uidmap", m)
	}
	for _, m := range gids {
		c.add("--gidmap", m)
	}
	return nil
}

func (c *conversion) remapOptions(uids, gids []string, uid, gid, size string) []string {
	var options []string
	for _, m := range uids {
		options = append(options, uid+m)
	}
	for _, m := range gids {
		options = append(options, gid+m)
	}
	if value := c.last("RemapUidSize"); value != "" && size != "" {
		options = append(options, size+value)
	}
	return options
}

func (c *conversion) remapInto(mode string, options []string) error {
	if len(options) > 0 {
		mode += ":" + strings.Join(options, ",")
	}
	c.add("--userns", mode)
	return nil
}

// list are the words of all lines of a key.
func (c *conversion) list(name string) ([]string, error) {
	var all []string
	for _, e := range c.all(name) {
		more, err := unitfile.Split(e.Value)
		if err != nil {
			return nil, e.Fail("%s: %v", name, err)
		}
		all = append(all, more...)
	}
	return all, nil
}
