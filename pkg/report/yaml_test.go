package report_test

import (
	"strings"
	"testing"

	"github.com/carob-containers/carob/pkg/report"
)

func TestYAML(t *testing.T) {
	v := map[string]any{
		"b": []any{map[string]any{"x": 1, "z": []int{2}}, "12", "a: b"}, "a": map[string]any{}, "c": nil, "d": true, "e": "yes", "f": []string{}, "g": "two\nlines",
	}
	want := "a: {}\nb:\n  - x: 1\n    z:\n      - 2\n  - \"12\"\n  - \"a: b\"\nc: null\nd: true\ne: \"yes\"\nf: []\ng: \"two\\nlines\"\n"
	var b strings.Builder
	if err := report.YAML(&b, v); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%s, want\n%s", b.String(), want)
	}
}
