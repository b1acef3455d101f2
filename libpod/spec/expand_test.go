package spec

import "testing"

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "$(A)", "EMPTY": ""}
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	for in, want := range map[string]string{
		"":            "",
		"plain":       "plain",
		"$(A)-$(B)":   "1-$(A)",
		"$$(A)":       "$(A)",
		"$$$(A)":      "$1",
		"$(NONE)":     "$(NONE)",
		"$(EMPTY)x":   "x",
		"$A ${A} $":   "$A ${A} $",
		"$(A":         "$(A",
		"cost: $5 $$": "cost: $5 $",
	} {
		if got := Expand(in, lookup); got != want {
			t.Errorf("Expand(%q) = %q, want %q", in, got, want)
		}
		if got := Expand(EscapeExpand(in), lookup); got != in {
			t.Errorf("Expand(EscapeExpand(%q)) = %q", in, got)
		}
	}
}
