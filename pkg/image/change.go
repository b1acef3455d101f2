package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ChangeError is a --change that is not understood.
type ChangeError struct {
	Change string
	Why    string
}

func (e *ChangeError) Error() string {
	return fmt.Sprintf("cannot apply change %q: %s", e.Change, e.Why)
}

// ApplyChange changes a configuration as a line of a Dockerfile would:
// CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER,
// VOLUME and WORKDIR. "CMD=..." is taken for "CMD ...".
func ApplyChange(c *Run, change string) error {
	text := strings.TrimSpace(change)
	end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '=' })
	if end < 0 {
		end = len(text)
	}
	word, rest := strings.ToUpper(text[:end]), strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text[end:]), "="))
	apply := changes()[word]
	if apply == nil {
		return &ChangeError{change, "the instruction is none of CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR"}
	}
	if rest == "" {
		return &ChangeError{change, "it has no value"}
	}
	if err := apply(c, rest); err != nil {
		return &ChangeError{change, err.Error()}
	}
	return nil
}

func changes() map[string]func(*Run, string) error {
	return map[string]func(*Run, string) error{
		"CMD":         func(c *Run, v string) error { c.Cmd = commandLine(v); return nil },
		"ENTRYPOINT":  func(c *Run, v string) error { c.Entrypoint = commandLine(v); return nil },
		"ENV":         changeEnv,
		"EXPOSE":      changeExpose,
		"HEALTHCHECK": changeHealthcheck,
		"LABEL":       changeLabel,
		"ONBUILD":     func(c *Run, v string) error { c.OnBuild = append(c.OnBuild, v); return nil },
		"STOPSIGNAL":  func(c *Run, v string) error { c.StopSignal = v; return nil },
		"USER":        func(c *Run, v string) error { c.User = v; return nil },
		"VOLUME":      changeVolume,
		"WORKDIR":     func(c *Run, v string) error { c.WorkingDir = v; return nil },
	}
}

// commandLine is a JSON array of words, or a line for the shell.
func commandLine(v string) []string {
	var words []string
	if json.Unmarshal([]byte(v), &words) == nil {
		return words
	}
	return []string{"/bin/sh", "-c", v}
}

func changeEnv(c *Run, v string) error {
	pairs, err := keyValues(v)
	for _, p := range pairs {
		key := p[0] + "="
		i := slices.IndexFunc(c.Env, func(e string) bool { return strings.HasPrefix(e, key) })
		if i < 0 {
			c.Env = append(c.Env, key+p[1])
		} else {
			c.Env[i] = key + p[1]
		}
	}
	return err
}

func changeLabel(c *Run, v string) error {
	pairs, err := keyValues(v)
	for _, p := range pairs {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[p[0]] = p[1]
	}
	return err
}

// keyValues reads "a=b c='d e'", or the old form "a b c" for one pair.
func keyValues(v string) ([][2]string, error) {
	words, err := split(v)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(words[0], "=") {
		key, value, _ := strings.Cut(v, " ")
		return [][2]string{{key, strings.TrimSpace(value)}}, nil
	}
	var out [][2]string
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not KEY=VALUE", w)
		}
		out = append(out, [2]string{key, value})
	}
	return out, nil
}

// split cuts at blanks outside quotes and removes the quotes.
func split(v string) ([]string, error) {
	var out []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range v {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && unicode.IsSpace(r):
			if inWord {
				out = append(out, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		out = append(out, word.String())
	}
	if len(out) == 0 {
		return nil, errors.New("it has no value")
	}
	return out, nil
}

func changeExpose(c *Run, v string) error {
	for _, port := range strings.Fields(v) {
		number, protocol, ok := strings.Cut(port, "/")
		if !ok {
			protocol = "tcp"
		}
		first, last, _ := strings.Cut(number, "-")
		if !isDigits(first) || last != "" && !isDigits(last) || !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
			return fmt.Errorf("%q is not a port", port)
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[number+"/"+protocol] = struct{}{}
	}
	return nil
}

func changeVolume(c *Run, v string) error {
	var paths []string
	if json.Unmarshal([]byte(v), &paths) != nil {
		paths = strings.Fields(v)
	}
	for _, path := range paths {
		if path == "" {
			return errors.New("a volume has no path")
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[path] = struct{}{}
	}
	return nil
}

// changeHealthcheck reads HEALTHCHECK [--interval=... --timeout=...
// --start-period=... --start-interval=... --retries=N] NONE | CMD command.
func changeHealthcheck(c *Run, v string) error {
	h := &Healthcheck{}
	for strings.HasPrefix(v, "--") {
		flag, rest, _ := strings.Cut(v, " ")
		if err := h.set(flag); err != nil {
			return err
		}
		v = strings.TrimSpace(rest)
	}
	kind, rest, _ := strings.Cut(v, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToUpper(kind) {
	case "NONE":
		h.Test = []string{"NONE"}
	case "CMD":
		var words []string
		if json.Unmarshal([]byte(rest), &words) == nil {
			h.Test = append([]string{"CMD"}, words...)
		} else {
			h.Test = []string{"CMD-SHELL", rest}
		}
		if rest == "" {
			return errors.New("the command is missing")
		}
	default:
		return errors.New("after the options comes NONE or CMD")
	}
	c.Healthcheck = h
	return nil
}

func (h *Healthcheck) set(flag string) error {
	name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
	if name == "retries" {
		_, err := fmt.Sscanf(value, "%d", &h.Retries)
		return err
	}
	target := map[string]*time.Duration{
		"interval": &h.Interval, "timeout": &h.Timeout, "start-period": &h.StartPeriod, "start-interval": &h.StartInterval,
	}[name]
	if target == nil {
		return fmt.Errorf("option --%s is not known", name)
	}
	d, err := time.ParseDuration(value)
	*target = d
	return err
}
