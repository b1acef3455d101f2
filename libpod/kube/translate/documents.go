package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	goyaml "go.yaml.in/yaml/v2"
	sjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// maxObjects and maxDepth bound what a file may unfold to.
const (
	maxObjects = 10000
	maxDepth   = 8
)

// object is one object of a file, read as far as every object is alike.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
		Namespace    string `json:"namespace"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`

	body  []byte // JSON
	where string // for errors about what has no name
}

func (o *object) String() string {
	name := o.Metadata.Name
	if name == "" {
		name = o.Metadata.GenerateName
	}
	if name == "" {
		return o.Kind + " in " + o.where
	}
	return o.Kind + " " + name
}

// read takes a file of one or more documents apart. Duplicate keys are
// errors, because which of them counts is anybody's guess.
func read(file []byte) ([]*object, error) {
	var all []*object
	for _, doc := range split(file) {
		body, err := toJSON(doc.text)
		if err != nil {
			return nil, fmt.Errorf("cannot read the document at line %d: %w", doc.line, oneLine(err))
		}
		if all, err = appendObjects(all, body, fmt.Sprintf("the document at line %d", doc.line), 0); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// toJSON reads one document. The strict reader takes a key that stands beside
// one merged in with "<<" for a second one of its name; where keys are merged,
// those that stand there are therefore counted here.
func toJSON(text []byte) ([]byte, error) {
	body, err := yaml.YAMLToJSONStrict(text)
	if err == nil || !bytes.Contains(text, []byte("<<")) {
		return body, err
	}
	var written goyaml.MapSlice // has keys twice, and none that are merged
	if goyaml.Unmarshal(text, &written) != nil {
		return nil, err
	}
	if key := writtenTwice(written); key != "" {
		return nil, fmt.Errorf("key %q already set in map", key)
	}
	return yaml.YAMLToJSON(text)
}

// writtenTwice finds a key that a map has twice.
func writtenTwice(value any) string {
	var twice string
	switch v := value.(type) {
	case goyaml.MapSlice:
		seen := map[string]bool{}
		for _, item := range v {
			key := fmt.Sprint(item.Key)
			if seen[key] {
				return key
			}
			seen[key] = true
			twice = cmp.Or(twice, writtenTwice(item.Value))
		}
	case []any:
		for _, item := range v {
			twice = cmp.Or(twice, writtenTwice(item))
		}
	}
	return twice
}

func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " "))
}

// appendObjects reads one object, or the items of a list.
func appendObjects(all []*object, body []byte, where string, depth int) ([]*object, error) {
	if text := bytes.TrimSpace(body); len(text) == 0 || string(text) == "null" {
		return all, nil
	}
	o := &object{body: body, where: where}
	if err := sjson.UnmarshalCaseSensitivePreserveInts(body, o); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", where, err)
	}
	switch {
	case o.Kind == "":
		return nil, fmt.Errorf("cannot read %s: it has no kind, so it is no Kubernetes object", where)
	case len(all) >= maxObjects || depth > maxDepth:
		return nil, fmt.Errorf("cannot read the file: it holds more than %d objects, or lists within lists", maxObjects)
	case o.Kind != "List" && (o.Items == nil || !strings.HasSuffix(o.Kind, "List")): // custom kinds may be called ...List
		return append(all, o), nil
	}
	var err error
	for i, item := range o.Items {
		if all, err = appendObjects(all, item, fmt.Sprintf("item %d of %s", i, where), depth+1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// document is a part of a file between two separators.
type document struct {
	line int // where it begins, from 1
	text []byte
}

// split cuts a stream at its "---" and "..." lines, and leaves out which YAML
// it says it is. See YAML 1.2, 9.1.
func split(file []byte) []document {
	file = bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))
	docs := []document{{line: 1}}
	n := 0
	for line := range bytes.Lines(file) {
		n++
		rest, marker := bytes.CutPrefix(line, []byte("---"))
		if marker && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0) {
			docs = append(docs, document{line: n})
			line = rest
		}
		if bytes.Equal(bytes.TrimRight(line, " \t\r\n"), []byte("...")) {
			docs = append(docs, document{line: n + 1})
			continue
		}
		last := &docs[len(docs)-1]
		if bytes.HasPrefix(line, []byte("%YAML ")) && len(bytes.TrimSpace(last.text)) == 0 {
			continue
		}
		last.text = append(last.text, line...)
	}
	return docs
}

// decode reads an object into its Kubernetes type and returns its unknown
// fields, each with its path.
func decode(o *object, into any) (unknown []string, err error) {
	strict, err := sjson.UnmarshalStrict(o.body, into)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", o, placed(o.body, err))
	}
	for _, e := range strict {
		unknown = append(unknown, e.Error())
	}
	return unknown, nil
}
