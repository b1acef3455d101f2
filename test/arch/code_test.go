package arch

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// globals are package variables that may change, or are made by a call when
// the program starts.
func globals() allowed {
	return allowed{
		"cmd/carob.version":       "set by the linker, read only",
		"cmd/carob-image.version": "set by the linker, read only",
		"cmd/quadlet.version":     "set by the linker, read only",
	}
}

// TestNoHiddenStart: what runs before main costs every command, and what
// changes behind a package's back cannot be reasoned about. Tables, sentinel
// errors and embedded files are fine as long as nobody writes to them.
func TestNoHiddenStart(t *testing.T) {
	exceptions, used := globals(), map[string]bool{}
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					t.Errorf("%s: func init runs in every command: let main or a constructor call it by name", s.position(d))
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR || embedded(d) {
					continue
				}
				for _, spec := range d.Specs {
					checkVar(t, s, spec.(*ast.ValueSpec), exceptions, used)
				}
			}
		}
	}
	exceptions.allUsed(t, used)
}

func embedded(d *ast.GenDecl) bool {
	return d.Doc != nil && strings.Contains(d.Doc.List[len(d.Doc.List)-1].Text, "//go:embed")
}

func checkVar(t *testing.T, s source, v *ast.ValueSpec, exceptions allowed, used map[string]bool) {
	for i, name := range v.Names {
		if name.Name == "_" || (i < len(v.Values) && constant(v.Values[i])) {
			continue
		}
		exceptions.check(t, used, s.dir+"."+name.Name,
			"%s: package variable %s is neither a table nor an error: pass it as an argument, or give the reason in the list beside this test", s.position(name), name.Name)
	}
}

// constant tells whether an initializer is a literal, or a sentinel error.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit, *ast.FuncLit:
		return true
	case *ast.UnaryExpr:
		return constant(e.X)
	case *ast.CallExpr:
		switch f := e.Fun.(type) {
		case *ast.SelectorExpr: // errors.New("...")
			pkg, _ := f.X.(*ast.Ident)
			return pkg != nil && (pkg.Name == "errors" && f.Sel.Name == "New" || pkg.Name == "fmt" && f.Sel.Name == "Errorf")
		case *ast.ArrayType: // []byte("...")
			return true
		}
	}
	return false
}

// TestTablesStayTables: nothing assigns to a package variable.
func TestTablesStayTables(t *testing.T) {
	files := sources(t)
	vars := map[string]bool{}
	for _, s := range files {
		for _, decl := range s.file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						vars[s.dir+"."+name.Name] = true
					}
				}
			}
		}
	}
	exceptions := globals()
	for _, s := range files {
		ast.Inspect(s.file, func(n ast.Node) bool {
			var targets []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					targets = n.Lhs
				}
			case *ast.IncDecStmt:
				targets = []ast.Expr{n.X}
			}
			for _, target := range targets {
				name := rootName(target)
				// A local of the same name has an object with a position inside a function.
				if name == nil || name.Name == "_" || !vars[s.dir+"."+name.Name] || local(s.file, name) {
					continue
				}
				if _, ok := exceptions[s.dir+"."+name.Name]; !ok {
					t.Errorf("%s: writes to package variable %s", s.position(n), name.Name)
				}
			}
			return true
		})
	}
}

// rootName is x of x, x[i], x.f and *x.
func rootName(e ast.Expr) *ast.Ident {
	for {
		switch v := e.(type) {
		case *ast.Ident:
			return v
		case *ast.IndexExpr:
			e = v.X
		case *ast.SelectorExpr:
			e = v.X
		case *ast.StarExpr:
			e = v.X
		default:
			return nil
		}
	}
}

// local tells whether the parser bound name to something inside a function.
func local(f *ast.File, name *ast.Ident) bool {
	if name.Obj == nil {
		return false
	}
	return f.Scope.Lookup(name.Name) != name.Obj
}

// longFunctions may have more than maxLines, because they are lists.
func longFunctions() allowed {
	return allowed{}
}

const maxLines = 100

func TestFunctionsFitTheHead(t *testing.T) {
	exceptions, used := longFunctions(), map[string]bool{}
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
			if lines > maxLines {
				exceptions.check(t, used, s.dir+"."+f.Name.Name,
					"%s: %s has %d lines, more than %d: split it by what it does", s.position(f), f.Name.Name, lines, maxLines)
			}
		}
	}
	exceptions.allUsed(t, used)
}

// talkers may print or exit below cmd.
func talkers() allowed {
	return allowed{
		"libpod/monitor os.Stderr": "Main is the whole of cmd/carob-monitor",
	}
}

// TestLibrariesAreQuiet: only cmd prints and exits.
func TestLibrariesAreQuiet(t *testing.T) {
	exceptions, used := talkers(), map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasPrefix(s.dir, "cmd/") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, _ := call.X.(*ast.Ident)
			if pkg == nil {
				return true
			}
			switch name := pkg.Name + "." + call.Sel.Name; name {
			case "os.Exit", "os.Stdout", "os.Stderr", "fmt.Print", "fmt.Println", "fmt.Printf", "log.Fatal", "log.Fatalf", "log.Print", "log.Printf", "log.Println":
				exceptions.check(t, used, s.dir+" "+name,
					"%s: %s in a library: return an error or take an io.Writer; cmd prints and exits", s.position(n), name)
			}
			return true
		})
	}
	exceptions.allUsed(t, used)
}
