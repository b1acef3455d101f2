package spec

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseSecret reads the value of --secret: NAME[,OPTION=VALUE...].
func ParseSecret(s string) (Secret, error) {
	words := strings.Split(s, ",")
	secret := Secret{Type: "mount"}
	for i, word := range words {
		key, value, hasValue := strings.Cut(word, "=")
		if i == 0 && !hasValue {
			key, value = "source", word
		}
		if err := secret.set(key, value); err != nil {
			return Secret{}, fmt.Errorf("cannot read secret %q: %w", s, err)
		}
	}
	switch {
	case secret.Source == "":
		return Secret{}, fmt.Errorf("cannot read secret %q: it has no name", s)
	case secret.Type == "env" && (secret.UID != 0 || secret.GID != 0 || secret.Mode != 0):
		return Secret{}, fmt.Errorf("cannot read secret %q: uid, gid and mode go with type=mount", s)
	}
	return secret, nil
}

func (s *Secret) set(key, value string) error {
	var err error
	switch key {
	case "source", "src":
		s.Source = value
	case "target":
		s.Target = value
	case "type":
		if value != "mount" && value != "env" {
			return fmt.Errorf("type %q is neither mount nor env", value)
		}
		s.Type = value
	case "uid":
		s.UID, err = parseID(value, 10)
	case "gid":
		s.GID, err = parseID(value, 10)
	case "mode":
		s.Mode, err = parseID(value, 8)
	default:
		return fmt.Errorf("option %q is not known", key)
	}
	if err != nil {
		return fmt.Errorf("%s=%s is not a number", key, value)
	}
	return nil
}

func parseID(s string, base int) (uint32, error) {
	n, err := strconv.ParseUint(s, base, 32)
	return uint32(n), err
}

// ParseRestart reads the value of --restart.
func ParseRestart(s string) (Restart, error) {
	policy, count, hasCount := strings.Cut(s, ":")
	r := Restart{Policy: policy}
	switch policy {
	case RestartNo, RestartAlways, RestartUnlessStopped, "":
		if hasCount {
			return Restart{}, fmt.Errorf("restart policy %q takes no number of retries", policy)
		}
	case RestartOnFailure:
		if !hasCount {
			break
		}
		n, err := strconv.ParseUint(count, 10, 31)
		if err != nil {
			return Restart{}, fmt.Errorf("restart policy %q: %q is not a number of retries", policy, count)
		}
		r.Max = uint(n)
	default:
		return Restart{}, fmt.Errorf("%q is not a valid restart policy: one of no, always, unless-stopped and on-failure[:retries] is wanted", s)
	}
	return r, nil
}

// ParseWords reads a command as --entrypoint takes it: a JSON array of words,
// or a single word as it stands. "" gives none.
func ParseWords(s string) []string {
	var words []string
	if strings.HasPrefix(strings.TrimSpace(s), "[") && json.Unmarshal([]byte(s), &words) == nil {
		return words
	}
	if s == "" {
		return []string{}
	}
	return []string{s}
}

// ParseHealthTest reads the value of --health-cmd: "none", a JSON array, or a
// line for the shell.
func ParseHealthTest(s string) ([]string, error) {
	var words []string
	if strings.HasPrefix(strings.TrimSpace(s), "[") && json.Unmarshal([]byte(s), &words) == nil {
		if len(words) == 0 {
			return nil, fmt.Errorf("must define a healthcheck command for all healthchecks")
		}
	} else {
		kind, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
		switch kind {
		case "CMD":
			words = append([]string{kind}, strings.Fields(rest)...)
		case "CMD-SHELL":
			words = []string{kind, strings.TrimSpace(rest)}
		default:
			words = []string{s}
		}
	}
	switch strings.ToUpper(words[0]) {
	case "NONE", "":
		return []string{"NONE"}, nil
	case "CMD", "CMD-SHELL":
		if len(words) < 2 || words[1] == "" {
			return nil, fmt.Errorf("must define a healthcheck command for all healthchecks")
		}
		return append([]string{strings.ToUpper(words[0])}, words[1:]...), nil
	}
	if len(words) == 1 {
		return []string{"CMD-SHELL", words[0]}, nil
	}
	return append([]string{"CMD"}, words...), nil
}

// HealthNever is an interval that means: no timer, only when asked.
const HealthNever time.Duration = -1

// ParseHealthInterval reads a duration, or "disable" (and 0) as HealthNever.
func ParseHealthInterval(s string) (time.Duration, error) {
	if s == "disable" {
		return HealthNever, nil
	}
	d, err := ParseHealthTime(s)
	if err == nil && d == 0 {
		d = HealthNever
	}
	return d, err
}

// ParseHealthTimeout reads a duration of at least a second.
func ParseHealthTimeout(s string) (time.Duration, error) {
	d, err := ParseHealthTime(s)
	if err == nil && d < time.Second {
		err = fmt.Errorf("%s is too short: it must be at least 1 second", s)
	}
	return d, err
}

// ParseHealthRetries reads a number of at least 1.
func ParseHealthRetries(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a number greater than 0", s)
	}
	return n, nil
}

// ParseHealthTime reads a duration like 1m30s that is not negative.
func ParseHealthTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("invalid duration %q: something like 30s or 1m30s is wanted", s)
	}
	return d, nil
}

// ParseNetwork reads one value of --network. Either it is a mode with its
// options, as in Network.Mode, or a named network with the options of an
// attachment ("bridge" names the default one and is returned as such).
func ParseNetwork(s string) (mode string, attach *NetworkAttach, err error) {
	word, options, _ := strings.Cut(s, ":")
	switch word {
	case "none", "host", "private", "default", "":
		if options != "" {
			return "", nil, fmt.Errorf("network mode %s takes no options, not %q", word, options)
		}
		if word == "default" {
			word = ""
		}
		return word, nil, nil
	case "container", "ns":
		if options == "" {
			return "", nil, fmt.Errorf("network mode %s must say which: container:NAME or ns:PATH is wanted", word)
		}
		return s, nil, nil
	case "pasta", "slirp4netns", "pod":
		return s, nil, nil
	}
	if !ValidName(word) {
		return "", nil, fmt.Errorf("%q is neither a network mode nor the name of a network", word)
	}
	attach = &NetworkAttach{Name: word}
	if options != "" {
		err = attach.setOptions(options)
	}
	return "bridge", attach, err
}

func (n *NetworkAttach) setOptions(options string) error {
	for word := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "alias":
			n.Aliases = append(n.Aliases, value)
		case "ip":
			n.IP = value
		case "ip6":
			n.IP6 = value
		case "mac":
			n.MAC = value
		case "interface_name":
			n.Interface = value
		default:
			if n.Options == nil {
				n.Options = map[string]string{}
			}
			n.Options[key] = value
		}
		if value == "" {
			return fmt.Errorf("network %s: option %q has no value", n.Name, key)
		}
	}
	return nil
}
