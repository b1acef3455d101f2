package kube

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// storedSecret is a Secret as kube play keeps it: the object, as JSON, which
// podman reads as the YAML that it writes itself.
type storedSecret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]any    `json:"metadata"`
	Data       map[string][]byte `json:"data"`
	Type       string            `json:"type,omitempty"`
}

// EncodeSecret is the stored form of a Secret.
func EncodeSecret(name, kind string, data map[string][]byte) []byte {
	body, err := json.Marshal(storedSecret{"v1", "Secret", map[string]any{"name": name}, data, kind})
	if err != nil {
		panic(err) // strings and bytes can always be written
	}
	return append(body, '\n')
}

// DecodeSecret reads what EncodeSecret, or podman's kube play, has stored.
func DecodeSecret(name string, stored []byte) (map[string][]byte, error) {
	var s storedSecret
	if err := json.Unmarshal(stored, &s); err == nil && s.Kind == "Secret" {
		return s.Data, nil
	}
	if data, ok := decodeYAML(string(stored)); ok {
		return data, nil
	}
	return nil, fmt.Errorf("cannot use secret %s here: it holds no Secret of Kubernetes, which has keys", name)
}

// SecretKeys are the keys of a stored secret, in order.
func SecretKeys(stored []byte) []string {
	data, err := DecodeSecret("", stored)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(data))
}

// decodeYAML reads the canonical YAML in which podman stores a Secret: block
// style, each value on one line. What is written in another way is none of
// podman's, or has values of several lines, which are not read.
func decodeYAML(text string) (map[string][]byte, bool) {
	data, block, isSecret := map[string][]byte{}, "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasPrefix(line, " ") {
			block = line
			isSecret = isSecret || line == "kind: Secret"
			continue
		}
		if block != "data:" && block != "stringData:" {
			continue
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return nil, false
		}
		bytes, ok := scalar(value, block == "data:")
		if !ok {
			return nil, false
		}
		data[strings.Trim(key, `"'`)] = bytes
	}
	return data, isSecret
}

// scalar reads a value on one line.
func scalar(text string, encoded bool) ([]byte, bool) {
	switch {
	case strings.HasPrefix(text, `"`):
		plain, err := strconv.Unquote(text)
		if err != nil {
			return nil, false
		}
		text = plain
	case strings.HasPrefix(text, "'"):
		text = strings.ReplaceAll(strings.Trim(text, "'"), "''", "'")
	case strings.HasPrefix(text, "|"), strings.HasPrefix(text, ">"):
		return nil, false
	}
	if !encoded {
		return []byte(text), true
	}
	bytes, err := base64.StdEncoding.DecodeString(text)
	return bytes, err == nil
}
