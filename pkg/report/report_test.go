package report_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/pkg/report"
)

type row struct {
	ID     string            `json:"Id"`
	Names  []string          `json:"Names"`
	Labels map[string]string `json:"Labels"`
	State  state             `json:"State"`

	FullImage string `json:"Image"` // for JSON; templates have the method
}

type state struct {
	PID    int `json:"Pid"`
	Status string
}

func (r row) Name() string { return strings.Join(r.Names, ",") }

func (r row) Image() string { return r.FullImage }

func rows() []row {
	return []row{
		{ID: "5230639eff85", Names: []string{"a"}, State: state{PID: 7, Status: "running"}},
		{ID: "6426d1a1a7f0", Names: []string{"b", "<c>"}, Labels: map[string]string{"k": "v"}},
	}
}

func TestCorner59Format(t *testing.T) {
	def := report.Options{Default: "{{.ID}}\t{{.Name}}", Headers: map[string]string{"ID": "CONTAINER ID", "Name": "NAMES"}}
	for _, c := range []struct {
		name, format string
		noHeading    bool
		want         string
	}{
		{"default table", "", false, "CONTAINER ID  NAMES\n5230639eff85  a\n6426d1a1a7f0  b,<c>\n"},
		{"the word table alone", "table", false, "CONTAINER ID  NAMES\n5230639eff85  a\n6426d1a1a7f0  b,<c>\n"},
		{"no heading", "", true, "5230639eff85  a\n6426d1a1a7f0  b,<c>\n"},
		{"table, blanks are columns", "table {{.ID}} {{.Name}}", false, "CONTAINER ID  NAMES\n5230639eff85  a\n6426d1a1a7f0  b,<c>\n"},
		{"table, short cells are widened", "table {{.Name}} {{.ID}}", false, "NAMES       CONTAINER ID\na           5230639eff85\nb,<c>       6426d1a1a7f0\n"},
		{"table, functions keep the heading", `table {{upper .ID}}\t{{json .Labels}}`, true, "5230639EFF85  null\n6426D1A1A7F0  {\"k\":\"v\"}\n"},
		{"table, heading under functions", `table {{json .Labels}}\t{{join .Names ", "}}`, false, "LABELS      NAMES\nnull        a\n{\"k\":\"v\"}   b, <c>\n"},
		{"table, nested field", `table {{.State.PID}}`, false, "PID\n7\n0\n"},
		{"plain", "{{.ID}} {{.Name}}", false, "5230639eff85 a\n6426d1a1a7f0 b,<c>\n"},
		{"escapes", `{{.ID}}\t{{.Name}}`, false, "5230639eff85\ta\n6426d1a1a7f0\tb,<c>\n"},
		{"own range", "{{range .}}{{.Name}};{{end}}", false, "a;b,<c>;"},
		{"own range, spaced", "{{ range . }}{{.Name}};{{end}}", false, "a;b,<c>;"},
		{"json per row", "{{json .State}}", false, `{"Pid":7,"Status":"running"}` + "\n" + `{"Pid":0,"Status":""}` + "\n"},
		{"functions", `{{title "ab cd"}}{{pad "x" 1 2}}{{truncate .ID 3}}{{lower "A"}}{{index (split "p:q" ":") 1}}`, false, "Ab Cd x  523aq\nAb Cd x  642aq\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := def
			o.Format, o.NoHeading = c.format, c.noHeading
			var b strings.Builder
			if err := report.Write(&b, rows(), o); err != nil {
				t.Fatal(err)
			}
			if b.String() != c.want {
				t.Errorf("got\n%q, want\n%q", b.String(), c.want)
			}
		})
	}
}

func TestCorner59JSON(t *testing.T) {
	for _, format := range []string{"json", "{{json}}", "{{ json }}"} {
		var b strings.Builder
		if err := report.Write(&b, rows(), report.Options{Format: format}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), "[\n    {\n        \"Id\": \"5230639eff85\"") || !strings.Contains(b.String(), "<c>") {
			t.Errorf("%s printed %s", format, b.String())
		}
	}
	var b strings.Builder
	if err := report.Write(&b, []row(nil), report.Options{Format: "json"}); err != nil || b.String() != "[]\n" {
		t.Errorf("no rows: %q, %v", b.String(), err)
	}
}

func TestInspectTakesJSONKeys(t *testing.T) {
	objects := []any{&rows()[0], &rows()[1]}
	for format, want := range map[string]string{
		"{{.Id}} {{.State.Pid}}":                             "5230639eff85 7\n6426d1a1a7f0 0\n",
		"{{.ID}}":                                            "5230639eff85\n6426d1a1a7f0\n",
		"{{with .State}}{{.Pid}}{{end}}":                     "7\n0\n",
		"{{range .Names}}{{.}};{{end}}":                      "a;\nb;<c>;\n",
		"{{range $k, $v := .Labels}}{{$k}}={{$v}}{{end}}":    "\nk=v\n",
		`{{if eq .State.Status "running"}}{{.Id}}{{end}}`:    "5230639eff85\n\n",
		`{{json .Names}}`:                                    "[\"a\"]\n[\"b\",\"<c>\"]\n",
		`{{index .Labels "k"}}`:                              "\nv\n",
		`{{with index .Names 0}}{{.}}{{end}} {{len .Names}}`: "a 1\nb 2\n",
	} {
		var b strings.Builder
		if err := report.Inspect(&b, objects, format); err != nil {
			t.Errorf("%s: %v", format, err)
		} else if b.String() != want {
			t.Errorf("%s: got %q, want %q", format, b.String(), want)
		}
	}
}

func TestWrongTemplateIsOneLineWithTheFields(t *testing.T) {
	for _, format := range []string{"{{.Foo}}", "table {{.Foo}}", "{{", "{{nosuch .}}", "{{.ID.Foo}}"} {
		var b strings.Builder
		err := report.Write(&b, rows(), report.Options{Format: format})
		if err == nil || strings.Contains(err.Error(), "\n") || b.Len() > 0 {
			t.Errorf("%s: error %v, output %q", format, err, b.String())
		}
	}
	err := report.Write(new(strings.Builder), rows(), report.Options{Format: "{{.Foo}}"})
	var h interface{ Hint() string }
	if !errors.As(err, &h) || h.Hint() != "fields are .ID .Names .Labels .State .Image .Name" {
		t.Errorf("hint of %v is %q", err, h.Hint())
	}
}

func TestHuman(t *testing.T) {
	for got, want := range map[string]string{
		report.Ago(time.Now().Add(-2 * time.Minute)): "2 minutes ago",
		report.Ago(time.Time{}):                      "",
		report.Duration(3 * time.Second):             "3 seconds",
		report.Duration(61 * time.Minute):            "About an hour",
		report.Duration(-time.Second):                "Less than a second",
		report.Size(2131015):                         "2.13 MB",
		report.Size(0):                               "0 B",
		report.TightSize(1447000):                    "1.447MB",
		report.ShortID("sha256:0123456789abcdef"):    "0123456789ab",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkDefaultTable100(b *testing.B) {
	list := make([]row, 100)
	for b.Loop() {
		if err := report.Write(new(strings.Builder), list, report.Options{Default: "{{.ID}}\t{{.Name}}\t{{.State.Status}}\t{{.State.PID}}"}); err != nil {
			b.Fatal(err)
		}
	}
}
