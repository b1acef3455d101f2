package kube

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
// style, each value of data on one line. What is written in another way is
// none of podman's.
func decodeYAML(text string) (map[string][]byte, bool) {
	data, inside, isSecret := map[string][]byte{}, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasPrefix(line, " ") {
			inside = line == "data:"
			isSecret = isSecret || line == "kind: Secret"
			continue
		}
		if !inside {
			continue
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return nil, false
		}
		bytes, err := base64.StdEncoding.DecodeString(strings.Trim(value, `"'`))
		if err != nil {
			return nil, false
		}
		data[strings.Trim(key, `"'`)] = bytes
	}
	return data, isSecret
}
