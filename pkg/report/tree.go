package report

import (
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
	"unicode"
)

// headings is the table's first line: the template's text, with the heading
// of the field in place of every action.
func headings(node parse.Node, names map[string]string) string {
	switch n := node.(type) {
	case *parse.ListNode:
		var b strings.Builder
		if n != nil {
			for _, child := range n.Nodes {
				b.WriteString(headings(child, names))
			}
		}
		return b.String()
	case *parse.TextNode:
		return string(n.Text)
	case *parse.ActionNode:
		field := fieldOf(n.Pipe)
		if h, ok := names[field]; ok {
			return h
		}
		return heading(field)
	case *parse.RangeNode:
		return headings(n.List, names)
	case *parse.WithNode:
		return headings(n.List, names)
	case *parse.IfNode:
		return headings(n.List, names)
	}
	return ""
}

// fieldOf is the name of the first field a pipeline mentions.
func fieldOf(pipe *parse.PipeNode) string {
	if pipe == nil || len(pipe.Decl) > 0 {
		return ""
	}
	for _, cmd := range pipe.Cmds {
		for _, arg := range cmd.Args {
			switch a := arg.(type) {
			case *parse.FieldNode:
				return a.Ident[len(a.Ident)-1]
			case *parse.PipeNode:
				if f := fieldOf(a); f != "" {
					return f
				}
			}
		}
	}
	return ""
}

// heading turns "ImageID" into "IMAGE ID".
func heading(field string) string {
	var b strings.Builder
	letters := []rune(field)
	for i, r := range letters {
		if i > 0 && unicode.IsUpper(r) {
			next := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if unicode.IsLower(letters[i-1]) || next {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// blanksToTabs makes every blank between fields a column's end.
func blanksToTabs(node parse.Node) {
	walk(node, func(n parse.Node) {
		if t, ok := n.(*parse.TextNode); ok {
			t.Text = []byte(strings.ReplaceAll(string(t.Text), " ", "\t"))
		}
	})
}

func walk(node parse.Node, visit func(parse.Node)) {
	visit(node)
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			walk(child, visit)
		}
	case *parse.RangeNode:
		walk(n.List, visit)
		walk(n.ElseList, visit)
	case *parse.WithNode:
		walk(n.List, visit)
		walk(n.ElseList, visit)
	case *parse.IfNode:
		walk(n.List, visit)
		walk(n.ElseList, visit)
	}
}

// renameFields replaces JSON keys by the names of the Go fields they belong
// to, as far as the type of what is printed can be followed: scripts say
// {{.Id}} because that is what the JSON output shows.
func renameFields(node parse.Node, dot reflect.Type) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			renameFields(child, dot)
		}
	case *parse.ActionNode:
		renamePipe(n.Pipe, dot)
	case *parse.IfNode:
		renamePipe(n.Pipe, dot)
		renameFields(n.List, dot)
		renameFields(n.ElseList, dot)
	case *parse.WithNode:
		inner := renamePipe(n.Pipe, dot)
		renameFields(n.List, inner)
		renameFields(n.ElseList, dot)
	case *parse.RangeNode:
		inner := renamePipe(n.Pipe, dot)
		renameFields(n.List, element(inner))
		renameFields(n.ElseList, dot)
	}
}

// renamePipe returns the type of a pipeline that is nothing but a field, or
// nil.
func renamePipe(pipe *parse.PipeNode, dot reflect.Type) reflect.Type {
	var result reflect.Type
	for _, cmd := range pipe.Cmds {
		for _, arg := range cmd.Args {
			switch a := arg.(type) {
			case *parse.FieldNode:
				result = renameChain(a.Ident, dot)
			case *parse.DotNode:
				result = dot
			case *parse.VariableNode: // $.Field names the object itself only at the top
				result = nil
			case *parse.PipeNode:
				result = renamePipe(a, dot)
			}
		}
	}
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return nil
	}
	return result
}

func renameChain(idents []string, t reflect.Type) reflect.Type {
	for i, name := range idents {
		if t == nil {
			return nil
		}
		if m, ok := t.MethodByName(name); ok {
			t = m.Type.Out(0)
			continue
		}
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			t = element(t)
			continue
		}
		f, ok := fieldByKey(t, name)
		if !ok {
			return nil
		}
		idents[i], t = f.Name, f.Type
	}
	return t
}

// fieldByKey finds a field by its name or else by its JSON key.
func fieldByKey(t reflect.Type, name string) (reflect.StructField, bool) {
	if f, ok := t.FieldByName(name); ok && f.IsExported() {
		return f, true
	}
	for _, f := range reflect.VisibleFields(t) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && key == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func element(t reflect.Type) reflect.Type {
	if t == nil {
		return nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t.Elem()
	}
	return nil
}

// fieldNames lists what a template over t, or over a slice of it, may name.
func fieldNames(t reflect.Type) []string {
	if e := element(t); e != nil && t.Kind() != reflect.Map {
		t = e
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var fields, methods []string
	p := reflect.PointerTo(t)
	for i := range p.NumMethod() {
		m := p.Method(i)
		if m.Type.NumIn() == 1 && m.Type.NumOut() > 0 {
			methods = append(methods, m.Name)
		}
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous && !stoodInFor(f, methods) {
			fields = append(fields, f.Name)
		}
	}
	return append(fields, methods...)
}

// stoodInFor tells of a field that is there for JSON only: a method has its name or the
// name its key has, and that is what users are to type.
func stoodInFor(f reflect.StructField, methods []string) bool {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return slices.ContainsFunc(methods, func(m string) bool { return m == f.Name || strings.EqualFold(m, key) })
}
