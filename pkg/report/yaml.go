package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// YAML prints v, which must marshal to JSON, as YAML (yaml.org/spec/1.2) with
// the keys of its JSON in the order of the alphabet.
func YAML(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot print as YAML: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return fmt.Errorf("cannot print as YAML: %w", err)
	}
	y := yamlWriter{plain: regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./+=()@ -]*$`)}
	y.value(tree, 0)
	_, err = w.Write(append(bytes.TrimLeft(y.out.Bytes(), "\n "), '\n'))
	return err
}

type yamlWriter struct {
	out   bytes.Buffer
	plain *regexp.Regexp // what needs no quotes
}

// value writes what follows a key or a dash.
func (y *yamlWriter) value(v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			y.out.WriteString(" {}")
			return
		}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			y.line(depth)
			y.out.WriteString(y.scalar(k) + ":")
			y.value(v[k], depth+1)
		}
	case []any:
		if len(v) == 0 {
			y.out.WriteString(" []")
			return
		}
		for _, item := range v {
			y.line(depth)
			y.out.WriteString("-")
			y.value(item, depth+1)
		}
	case string:
		y.out.WriteString(" " + y.scalar(v))
	case nil:
		y.out.WriteString(" null")
	default:
		fmt.Fprintf(&y.out, " %v", v)
	}
}

func (y *yamlWriter) line(depth int) {
	if b := y.out.Bytes(); len(b) > 0 && bytes.HasSuffix(b, []byte("-")) {
		y.out.WriteByte(' ') // the first key of an object in a list
		return
	}
	y.out.WriteByte('\n')
	y.out.WriteString(strings.Repeat("  ", depth))
}

// scalar quotes what would be read as something else than a string. A JSON
// string is one of YAML's double quoted strings.
func (y *yamlWriter) scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return `"` + s + `"`
	}
	if y.plain.MatchString(s) && !strings.HasSuffix(s, " ") {
		return s
	}
	quoted, err := jsonLine(s)
	if err != nil {
		return `""`
	}
	return quoted
}
