package compare

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

// named are objects whose keys are names the user chose, not part of the
// format.
var named = []string{"Labels", "labels", "Annotations", "annotations", "Ports", "ExposedPorts", "Networks", "Volumes", "PortBindings", "PortMappings", "Options"}

// compareKeys tells which keys one JSON text has and the other lacks. Where
// one side has null or nothing in a list, there is nothing to compare.
func compareKeys(ours, theirs string) (differences []string) {
	a, err := decode(ours)
	if err != nil {
		return []string{"stdout is not JSON: " + err.Error()}
	}
	b, err := decode(theirs)
	if err != nil {
		return []string{"podman's stdout is not JSON: " + err.Error()}
	}
	diff("", a, b, &differences)
	slices.Sort(differences)
	return slices.Compact(differences)
}

// decode reads one value, or several in a row as a list.
func decode(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	var all []any
	for {
		var v any
		err := dec.Decode(&v)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func diff(path string, ours, theirs any, out *[]string) {
	switch a := ours.(type) {
	case map[string]any:
		b, ok := theirs.(map[string]any)
		if !ok {
			if theirs != nil {
				*out = append(*out, "not an object with podman: "+path)
			}
			return
		}
		for key, value := range a {
			if other, ok := b[key]; ok {
				diff(path+"."+key, value, other, out)
			} else {
				*out = append(*out, "only carob has "+path+"."+key)
			}
		}
		for key := range b {
			if _, ok := a[key]; !ok {
				*out = append(*out, "carob lacks "+path+"."+key)
			}
		}
	case []any:
		b, ok := theirs.([]any)
		if !ok {
			if theirs != nil {
				*out = append(*out, "not a list with podman: "+path)
			}
			return
		}
		if len(a) > 0 && len(b) > 0 {
			diff(path+"[]", merge(a), merge(b), out)
		}
	default:
		if _, object := theirs.(map[string]any); object && ours != nil {
			*out = append(*out, "an object with podman: "+path)
		}
	}
	*out = slices.DeleteFunc(*out, func(d string) bool {
		for _, name := range named {
			if strings.Contains(d, "."+name+".") {
				return true
			}
		}
		return false
	})
}

// merge makes one object with the keys of all objects of a list: with
// omitempty, no single one has them all.
func merge(list []any) any {
	all := map[string]any{}
	for _, v := range list {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		for key, value := range object {
			if all[key] == nil {
				all[key] = value
			}
		}
	}
	return all
}

func TestCompareKeys(t *testing.T) {
	for _, c := range []struct {
		ours, theirs string
		want         []string
	}{
		{`{"A":1,"B":{"C":1}}`, `{"A":2,"B":{"C":3}}`, nil},
		{`{"A":1}`, `{"A":1,"B":2}`, []string{"carob lacks .B"}},
		{`[{"A":{"X":1}}]`, `[{"A":{}}, {"A":{"X":2}}]`, []string{"only carob has [].A.X"}},
		{`[]`, `[{"A":1}]`, nil},
		{`{"Labels":{"a":"b"}}`, `{"Labels":{"c":"d"}}`, nil},
		{`{"A":null}`, `{"A":{"B":1}}`, nil},
		{`{"A":"x"}`, `{"A":{"B":1}}`, []string{"an object with podman: .A"}},
	} {
		if got := compareKeys(c.ours, c.theirs); !slices.Equal(got, c.want) {
			t.Errorf("compareKeys(%s, %s) = %q, not %q", c.ours, c.theirs, got, c.want)
		}
	}
}
