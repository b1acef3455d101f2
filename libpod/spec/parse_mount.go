package spec

import (
	"encoding/csv"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ParseVolume reads the value of --volume: [[SOURCE:]DESTINATION[:OPTIONS]].
// A source that begins with "." or "/" is a path, any other a volume's name;
// "\:" stands for a colon in a path.
func ParseVolume(s string) (Mount, error) {
	parts := splitUnescaped(s, ':')
	m := Mount{Type: MountVolume}
	switch len(parts) {
	case 1:
		m.Destination, m.Anonymous = parts[0], true
	case 2:
		m.Source, m.Destination = parts[0], parts[1]
	case 3:
		m.Source, m.Destination = parts[0], parts[1]
		if err := m.setVolumeOptions(parts[2]); err != nil {
			return Mount{}, err
		}
	default:
		return Mount{}, fmt.Errorf("incorrect volume format %q: should be [[source:]container-dir[:options]]", s)
	}
	if !m.Anonymous && m.Source == "" {
		return Mount{}, fmt.Errorf("incorrect volume format %q: host directory cannot be empty", s)
	}
	if isPath(m.Source) {
		m.Type = MountBind
	}
	return m, m.checkParsed()
}

func isPath(s string) bool { return strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".") }

// splitUnescaped splits at sep where no backslash stands before it, and takes
// those backslashes away.
func splitUnescaped(s string, sep byte) []string {
	parts := []string{""}
	for i := 0; i < len(s); i++ {
		switch last := len(parts) - 1; {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == sep:
			i++
			parts[last] += string(sep)
		case s[i] == sep:
			parts = append(parts, "")
		default:
			parts[last] += s[i : i+1]
		}
	}
	return parts
}

func (m *Mount) setVolumeOptions(words string) error {
	for word := range strings.SplitSeq(words, ",") {
		key, value, hasValue := strings.Cut(word, "=")
		switch {
		case key == "upperdir" && hasValue:
			m.UpperDir = value
		case key == "workdir" && hasValue:
			m.WorkDir = value
		case key == "idmap":
			m.IDMap = &value
		case key == "subpath" && hasValue:
			m.SubPath = value
		case hasValue:
			return fmt.Errorf("invalid volume option %q", word)
		default:
			if err := m.setVolumeWord(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// setVolumeWord sets an option that is a word alone.
func (m *Mount) setVolumeWord(word string) error {
	switch word {
	case "z", "Z":
		if m.Relabel != "" && m.Relabel != word {
			return fmt.Errorf("invalid volume options: only one of z and Z can be given")
		}
		m.Relabel = word
	case "U":
		m.Chown = true
	case "O":
		m.Overlay = true
	case "nocopy":
		m.NoCopy = true
	case "copy": // is what happens anyway
	default:
		if !mountFlag(word) {
			return fmt.Errorf("invalid option type %q", word)
		}
		return m.addOption(word)
	}
	return nil
}

// exclusive are the sets of mount options of which one may be given.
func exclusive() [][]string {
	return [][]string{
		{"ro", "rw"}, {"exec", "noexec"}, {"dev", "nodev"}, {"suid", "nosuid"}, {"bind", "rbind"},
		{"shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"},
	}
}

func mountFlag(word string) bool {
	return slices.ContainsFunc(exclusive(), func(set []string) bool { return slices.Contains(set, word) })
}

// addOption adds a mount option, refusing one that contradicts another.
func (m *Mount) addOption(word string) error {
	for _, set := range exclusive() {
		if !slices.Contains(set, word) {
			continue
		}
		for _, have := range m.Options {
			if slices.Contains(set, have) && have != word {
				return fmt.Errorf("invalid mount options: %q and %q exclude each other", have, word)
			}
		}
	}
	if !slices.Contains(m.Options, word) {
		m.Options = append(m.Options, word)
	}
	return nil
}

// checkParsed is what a mount as typed has to fulfil whatever it stands for.
func (m *Mount) checkParsed() error {
	if m.Destination == "" && m.Type == MountGlob {
		return nil
	}
	if !path.IsAbs(m.Destination) {
		return fmt.Errorf("invalid container path %q, must be an absolute path", m.Destination)
	}
	m.Destination = path.Clean(m.Destination)
	switch {
	case m.Overlay && (m.Relabel != "" || m.Chown && m.UpperDir == "" && m.Type == MountVolume && m.Source == ""):
		return fmt.Errorf("invalid options for %s: O cannot be combined with z or Z", m.Destination)
	case (m.UpperDir != "") != (m.WorkDir != ""):
		return fmt.Errorf("invalid options for %s: upperdir and workdir go together", m.Destination)
	case m.UpperDir != "" && !m.Overlay:
		return fmt.Errorf("invalid options for %s: upperdir and workdir need the option O", m.Destination)
	case m.Type == MountVolume && m.Source != "" && !ValidName(m.Source):
		return fmt.Errorf("invalid volume name %q: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*", m.Source)
	}
	return nil
}

// ValidName tells whether s may name a container, volume, network ...
func ValidName(s string) bool {
	for i, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return s != ""
}

// ParseTmpfs reads the value of --tmpfs: DESTINATION[:OPTIONS], the options
// being tmpfs(5)'s and mount(8)'s.
func ParseTmpfs(s string) (Mount, error) {
	destination, options, _ := strings.Cut(s, ":")
	m := Mount{Type: MountTmpfs, Destination: destination}
	if options != "" {
		for word := range strings.SplitSeq(options, ",") {
			key, value, _ := strings.Cut(word, "=")
			if err := m.setTmpfs(key, value, strings.Contains(word, "=")); err != nil {
				return Mount{}, err
			}
		}
	}
	return m, m.checkParsed()
}

// ParseMount reads the value of --mount: a line of comma separated values,
// each KEY[=VALUE]. Without a type it is a volume.
func ParseMount(s string) (Mount, error) {
	r := csv.NewReader(strings.NewReader(s))
	words, err := r.Read()
	if err != nil {
		return Mount{}, fmt.Errorf("incorrect mount format %q: should be type=TYPE,[src=SOURCE,]target=DESTINATION[,options]", s)
	}
	m := Mount{Type: MountVolume}
	for _, word := range words {
		if kind, ok := strings.CutPrefix(word, "type="); ok {
			m.Type = kind
		}
	}
	set := m.setter()
	if set == nil {
		return Mount{}, fmt.Errorf("invalid filesystem type %q: one of bind, volume, tmpfs, image, devpts and glob is wanted", m.Type)
	}
	for _, word := range words {
		key, value, hasValue := strings.Cut(word, "=")
		if key == "type" {
			continue
		}
		if done, err := m.setPlace(key, value, hasValue); err != nil {
			return Mount{}, err
		} else if done {
			continue
		}
		if err := set(key, value, hasValue); err != nil {
			return Mount{}, err
		}
	}
	return m, m.checkMount()
}

// setter is what understands the options of the mount's type.
func (m *Mount) setter() func(key, value string, hasValue bool) error {
	switch m.Type {
	case MountBind, MountVolume, MountGlob:
		return m.setBind
	case MountTmpfs:
		return m.setTmpfs
	case MountImage:
		return m.setImage
	case MountDevpts:
		return m.setDevpts
	}
	return nil
}

func (m *Mount) setPlace(key, value string, hasValue bool) (bool, error) {
	switch key {
	case "src", "source":
		m.Source = value
	case "dst", "destination", "target":
		m.Destination = value
	default:
		return false, nil
	}
	if !hasValue || value == "" {
		return true, fmt.Errorf("%s: must not be empty", key)
	}
	return true, nil
}

func (m *Mount) checkMount() error {
	if m.Destination == "" && m.Type != MountGlob {
		return fmt.Errorf("must set volume destination")
	}
	switch m.Type {
	case MountBind:
		if m.Source == "" {
			m.Source = m.Destination
		}
	case MountGlob, MountImage:
		if m.Source == "" {
			return fmt.Errorf("must set source for a mount of type %s", m.Type)
		}
	case MountTmpfs, MountDevpts:
		if m.Source != "" {
			return fmt.Errorf("a mount of type %s takes no source", m.Type)
		}
	case MountVolume:
		m.Anonymous = m.Source == ""
	}
	return m.checkParsed()
}

// setBind understands the options of bind, volume and glob.
func (m *Mount) setBind(key, value string, hasValue bool) error {
	switch key {
	case "bind-propagation":
		return m.addPropagation(value)
	case "bind-nonrecursive":
		return m.setFlag(value, hasValue, "bind", "")
	case "relabel":
		words := map[string]string{"shared": "z", "private": "Z"}
		if words[value] == "" {
			return fmt.Errorf("relabel: must be private or shared, not %q", value)
		}
		return m.setVolumeWord(words[value])
	case "volume-nocopy":
		return setBool(&m.NoCopy, value, hasValue)
	case "subpath", "volume-subpath":
		if m.Type != MountVolume {
			return fmt.Errorf("%s: only volumes and images have one", key)
		}
		m.SubPath = value
		return nil
	case "consistency": // docker's for other systems; means nothing on Linux there either
		return nil
	case "upperdir", "workdir":
		return m.setVolumeOptions(key + "=" + value)
	}
	return m.setCommon(key, value, hasValue)
}

// setCommon understands what several types share.
func (m *Mount) setCommon(key, value string, hasValue bool) error {
	switch key {
	case "ro", "readonly":
		return m.setFlag(value, hasValue, "ro", "rw")
	case "rw":
		return m.setFlag(value, hasValue, "rw", "ro")
	case "U", "chown":
		return setBool(&m.Chown, value, hasValue)
	case "idmap":
		return m.setIDMap(value, hasValue)
	case "dev", "exec", "suid":
		return m.setFlag(value, hasValue, key, "no"+key)
	case "nodev", "noexec", "nosuid":
		return m.setFlag(value, hasValue, key, key[2:])
	}
	if hasValue {
		return fmt.Errorf("%s: invalid mount option", key)
	}
	if err := m.setVolumeWord(key); err != nil {
		return fmt.Errorf("%s: invalid mount option", key)
	}
	return nil
}

func (m *Mount) setIDMap(value string, hasValue bool) error {
	switch value {
	case "true":
		value = ""
	case "false":
		m.IDMap = nil
		return nil
	}
	if hasValue && value != "" && !strings.Contains(value, "=") {
		return fmt.Errorf("idmap: must be a boolean or uids=...;gids=..., not %q", value)
	}
	m.IDMap = &value
	return nil
}

func (m *Mount) addPropagation(value string) error {
	if set := exclusive(); !slices.Contains(set[len(set)-1], value) {
		return fmt.Errorf("bind-propagation: %q is not one of [r]shared, [r]slave, [r]private and [r]unbindable", value)
	}
	return m.addOption(value)
}

// setFlag adds yes or no, depending on a boolean that defaults to true.
func (m *Mount) setFlag(value string, hasValue bool, yes, no string) error {
	var on bool
	if err := setBool(&on, value, hasValue); err != nil {
		return err
	}
	if !on {
		yes = no
	}
	if yes == "" {
		return nil
	}
	return m.addOption(yes)
}

func setBool(b *bool, value string, hasValue bool) error {
	if !hasValue {
		*b = true
		return nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", value)
	}
	*b = on
	return nil
}

func (m *Mount) setTmpfs(key, value string, hasValue bool) error {
	switch key {
	case "tmpfs-size", "tmpfs-mode":
		return m.setTmpfs(key[len("tmpfs-"):], value, hasValue)
	case "size":
		if n, found := strings.CutSuffix(value, "%"); found {
			if _, err := strconv.ParseUint(n, 10, 8); err != nil {
				return fmt.Errorf("invalid tmpfs size %q", value)
			}
		} else if _, err := ParseSize(value); err != nil {
			return fmt.Errorf("invalid tmpfs size: %w", err)
		}
	case "mode":
		if _, err := strconv.ParseUint(value, 8, 12); err != nil {
			return fmt.Errorf("invalid tmpfs mode %q: not an octal number up to 7777", value)
		}
	case "uid", "gid", "nr_inodes", "nr_blocks":
		if _, err := ParseSize(value); err != nil {
			return fmt.Errorf("invalid tmpfs option %s=%s: not a number", key, value)
		}
	case "tmpcopyup", "notmpcopyup":
		var on bool
		if err := setBool(&on, value, hasValue); err != nil {
			return err
		}
		m.NoTmpCopyUp = on == (key == "notmpcopyup")
		return nil
	case "noatime", "relatime", "strictatime", "nodiratime", "sync", "async", "dirsync":
		return m.addOption(key)
	case "z", "Z", "O", "nocopy", "copy", "idmap":
		return fmt.Errorf("unknown mount option %q: invalid mount option", key)
	default:
		if err := m.setCommon(key, value, hasValue); err != nil {
			return fmt.Errorf("unknown mount option %q: invalid mount option", key)
		}
		return nil
	}
	m.Options = append(m.Options, key+"="+value)
	return nil
}

func (m *Mount) setImage(key, value string, hasValue bool) error {
	switch key {
	case "rw", "readwrite":
		return setBool(&m.ReadWrite, value, hasValue)
	case "ro", "readonly":
		err := setBool(&m.ReadWrite, value, hasValue)
		m.ReadWrite = !m.ReadWrite
		return err
	case "subpath", "image-subpath":
		m.SubPath = value
		return nil
	}
	return fmt.Errorf("%s: invalid mount option", key)
}

func (m *Mount) setDevpts(key, value string, hasValue bool) error {
	base := 10
	switch key {
	case "uid", "gid", "max":
	case "mode":
		base = 8
	default:
		return fmt.Errorf("%s: invalid mount option", key)
	}
	if _, err := strconv.ParseUint(value, base, 32); err != nil {
		return fmt.Errorf("%s: invalid value %q", key, value)
	}
	m.Options = append(m.Options, key+"="+value)
	return nil
}
