package spec

import "strings"

// Expand replaces $(NAME) in Kubernetes' way: $$ stands for one $, and a name
// that lookup does not know stays as it is.
func Expand(text string, lookup func(name string) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String()
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
			continue
		}
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		if !closed || !strings.HasPrefix(rest, "(") {
			out.WriteByte('$')
			text = rest
			continue
		}
		value, known := lookup(name)
		if !known {
			value = "$(" + name + ")"
		}
		out.WriteString(value)
		text = after
	}
}

// EscapeExpand writes text so that Expand gives it back as it is.
func EscapeExpand(text string) string { return strings.ReplaceAll(text, "$", "$$") }
