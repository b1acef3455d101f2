package spec

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// AddEnv adds what one --env says to env. "NAME=VALUE" sets; "NAME" copies the
// variable from host (NAME=VALUE words, see os.Environ) if it is there;
// "PREFIX*" copies all whose names begin so.
func AddEnv(env map[string]string, word string, host []string) error {
	name, value, hasValue := strings.Cut(word, "=")
	if name == "" {
		return fmt.Errorf("invalid environment variable: %q", word)
	}
	if strings.ContainsRune(word, 0) {
		return fmt.Errorf("invalid environment variable: %q contains a NUL", word)
	}
	if hasValue {
		env[name] = value
		return nil
	}
	prefix, glob := strings.CutSuffix(name, "*")
	for _, h := range host {
		have, value, _ := strings.Cut(h, "=")
		if have == name || glob && have != "" && strings.HasPrefix(have, prefix) {
			env[have] = value
		}
	}
	return nil
}

// AddEnvFile adds the lines of a file of environment variables to env. A line
// is what --env takes, blanks before it apart; it keeps its quotes and its
// blanks at the end. Empty lines and those that begin with # are skipped.
func AddEnvFile(env map[string]string, body []byte, host []string) error {
	for _, line := range fileLines(body) {
		if err := AddEnv(env, line, host); err != nil {
			return err
		}
	}
	return nil
}

// AddLabel adds what one --label says, NAME[=VALUE], to labels.
func AddLabel(labels map[string]string, word string) error {
	name, value, _ := strings.Cut(word, "=")
	if name == "" {
		return fmt.Errorf("invalid label format: %q", word)
	}
	labels[name] = value
	return nil
}

// AddLabelFile adds the lines of a file of labels.
func AddLabelFile(labels map[string]string, body []byte) error {
	for _, line := range fileLines(body) {
		name, _, _ := strings.Cut(line, "=")
		if strings.ContainsFunc(name, unicode.IsSpace) {
			return fmt.Errorf("name %q has white spaces, poorly formatted name", name)
		}
		if err := AddLabel(labels, line); err != nil {
			return err
		}
	}
	return nil
}

func fileLines(body []byte) []string {
	var lines []string
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	for line := range bytes.Lines(body) {
		s := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
		if s != "" && s[0] != '#' {
			lines = append(lines, s)
		}
	}
	return lines
}
