// Package report prints lists and objects the way users of podman and docker
// know them: an aligned table, JSON, or a Go template of the user's own.
//
// A row is a struct; its exported fields and methods are what templates may
// name, its JSON tags are what --format json prints.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"text/template"
	"text/template/parse"
)

// Options say how a list is printed.
type Options struct {
	// Format is the value of --format: "" the default table, "json", a
	// template that is applied to every row, or such a template after the
	// word "table", which adds headings and aligns the columns.
	Format string
	// Default is the template of the default table, columns separated by tabs.
	Default string
	// Headers name the columns whose heading is not just the field's name in
	// upper case ("ImageID" gives "IMAGE ID" by itself).
	Headers map[string]string
	// NoHeading leaves the line of headings out.
	NoHeading bool
}

// Write prints rows, a slice, to w. Nothing is printed when the format turns
// out to be wrong.
func Write(w io.Writer, rows any, o Options) error {
	if IsJSON(o.Format) {
		return JSON(w, rows)
	}
	text, table := o.Default, true
	if o.Format != "" && o.Format != "table" {
		text, table = strings.CutPrefix(o.Format, "table ")
		text = unescape(text)
	}
	tmpl, err := compile(perRow(text))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if !table {
		if err := execute(&out, tmpl, rows); err != nil {
			return err
		}
	} else if err := writeTable(&out, tmpl, rows, o); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

// writeTable aligns columns. In a table a blank between two fields separates
// columns just as a tab does.
func writeTable(out io.Writer, tmpl *template.Template, rows any, o Options) error {
	blanksToTabs(tmpl.Root)
	tw := tabwriter.NewWriter(out, 12, 2, 2, ' ', tabwriter.StripEscape)
	if !o.NoHeading {
		if _, err := io.WriteString(tw, headings(tmpl.Root, o.Headers)); err != nil {
			return err
		}
	}
	if err := execute(tw, tmpl, rows); err != nil {
		return err
	}
	return tw.Flush()
}

// Inspect prints objects: a JSON array, or format applied to each of them, a
// line each. A template may use the JSON key of a field in place of its name.
func Inspect(w io.Writer, objects []any, format string) error {
	if format == "" || IsJSON(format) {
		return JSON(w, objects)
	}
	text := unescape(format)
	var out bytes.Buffer
	for _, object := range objects {
		tmpl, err := compile(text)
		if err != nil {
			return err
		}
		renameFields(tmpl.Root, reflect.TypeOf(object))
		if err := execute(&out, tmpl, object); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	_, err := w.Write(out.Bytes())
	return err
}

// JSON prints v indented by four blanks, without HTML escapes. A nil slice
// prints as an empty array.
func JSON(w io.Writer, v any) error {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice && r.IsNil() {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("cannot print as JSON: %w", err)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// IsJSON tells whether format asks for the whole list as JSON. "{{json .}}"
// does not: it prints a line of JSON for every row.
func IsJSON(format string) bool {
	format = strings.TrimSpace(format)
	if inner, ok := strings.CutPrefix(format, "{{"); ok {
		inner, ok = strings.CutSuffix(inner, "}}")
		return ok && strings.TrimSpace(inner) == "json"
	}
	return format == "json"
}

// unescape gives shells without $'…' a way to type a tab and a newline.
func unescape(format string) string {
	return strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
}

// perRow makes a template for one row one for the whole list, unless it
// walks the list by itself.
func perRow(text string) string {
	head := strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(text, " "), "{{"), "- ")
	if strings.HasPrefix(head, "range ") {
		return text
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return "{{range .}}" + text + "{{end}}"
}

func compile(text string) (*template.Template, error) {
	tmpl, err := template.New("format").Funcs(functions).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read the template of --format: %s", trimTemplateError(err))
	}
	if tmpl.Tree == nil {
		tmpl.Tree = &parse.Tree{Root: &parse.ListNode{NodeType: parse.NodeList}}
	}
	return tmpl, nil
}

func execute(w io.Writer, tmpl *template.Template, data any) error {
	err := tmpl.Execute(w, data)
	if err == nil {
		return nil
	}
	e := &formatError{text: trimTemplateError(err)}
	if strings.Contains(e.text, "can't evaluate field") {
		e.fields = fieldNames(reflect.TypeOf(data))
	}
	return e
}

func trimTemplateError(err error) string {
	return strings.TrimPrefix(err.Error(), "template: ")
}

// formatError is a template that does not fit the rows; its hint lists what
// would.
type formatError struct {
	text   string
	fields []string
}

func (e *formatError) Error() string { return "cannot apply the template of --format: " + e.text }

// Hint names the fields a template may use.
func (e *formatError) Hint() string {
	if len(e.fields) == 0 {
		return ""
	}
	return "fields are ." + strings.Join(e.fields, " .")
}
