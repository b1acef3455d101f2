package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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
		body, err := yaml.YAMLToJSONStrict(doc.text)
		if err != nil {
			return nil, fmt.Errorf("cannot read the document at line %d: %w", doc.line, oneLine(err))
		}
		if all, err = appendObjects(all, body, fmt.Sprintf("the document at line %d", doc.line), 0); err != nil {
			return nil, err
		}
	}
	return all, nil
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

// split cuts a stream at its "---" lines. See YAML 1.2, 9.1.
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
			continue
		}
		last := &docs[len(docs)-1]
		last.text = append(last.text, line...)
	}
	return docs
}

// decode reads an object into its Kubernetes type and returns its unknown
// fields, each with its path.
func decode(o *object, into any) (unknown []string, err error) {
	strict, err := sjson.UnmarshalStrict(o.body, into)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", o, err)
	}
	for _, e := range strict {
		unknown = append(unknown, e.Error())
	}
	return unknown, nil
}
