package translate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// hunt looks in an object for the value that its type has refused without
// naming the field.
type hunt struct {
	fields, lists []string // that hold such a value, or a map of them
	bad           func(string) bool
}

func quantities() hunt {
	return hunt{[]string{"sizeLimit", "divisor"}, []string{"limits", "requests"}, func(s string) bool {
		_, err := resource.ParseQuantity(s)
		return err != nil
	}}
}

func base64s() hunt {
	return hunt{nil, []string{"binaryData", "data"}, func(s string) bool {
		_, err := base64.StdEncoding.DecodeString(s)
		return err != nil
	}}
}

// placed adds the path to an error that lacks it.
func placed(body []byte, err error) error {
	h := quantities()
	switch text := err.Error(); {
	case strings.HasPrefix(text, "json: "):
		return err // has one
	case strings.Contains(text, "base64"):
		h = base64s()
	}
	var value any
	if json.Unmarshal(body, &value) != nil {
		return err
	}
	if at := h.find(value, ""); at != "" {
		return fmt.Errorf("%s: %w", at, err)
	}
	return err
}

func (h hunt) find(value any, at string) string {
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			if found := h.find(item, fmt.Sprintf("%s[%d]", at, i)); found != "" {
				return found
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if found := h.inField(key, v[key], strings.TrimPrefix(at+"."+key, ".")); found != "" {
				return found
			}
		}
	}
	return ""
}

func (h hunt) inField(key string, value any, at string) string {
	if slices.Contains(h.fields, key) && h.bad(fmt.Sprint(value)) {
		return at
	}
	list, isMap := value.(map[string]any)
	if !isMap || !slices.Contains(h.lists, key) {
		return h.find(value, at)
	}
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if list[name] != nil && h.bad(fmt.Sprint(list[name])) {
			return at + "[" + name + "]"
		}
	}
	return ""
}
