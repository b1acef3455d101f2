// Package arch keeps the project's shape: its tests read the source and fail,
// with the reason, where it leaves the design of docs/ARCHITECTURE.md.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/carob-containers/carob"

// top is the module's directory, seen from this test.
const top = "../.."

// source is one parsed file that is not a test.
type source struct {
	dir  string // of its package, below the module, for example pkg/userns
	file *ast.File
	set  *token.FileSet
}

func (s source) position(n ast.Node) string {
	p := s.set.Position(n.Pos())
	return strings.TrimPrefix(p.String(), top+"/")
}

// sources parses the program: everything but tests and test programs.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	set := token.NewFileSet()
	for _, root := range []string{"cmd", "libpod", "pkg"} {
		err := filepath.WalkDir(filepath.Join(top, root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			dir, err := filepath.Rel(top, filepath.Dir(path))
			all = append(all, source{dir: dir, file: f, set: set})
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return all
}

// allowed is a list of exceptions: what, and why. An exception that nothing
// needs any more fails the test too, so that the lists stay true.
type allowed map[string]string

// check reports what as a failure unless it is allowed.
func (a allowed) check(t *testing.T, used map[string]bool, what, format string, args ...any) {
	t.Helper()
	if _, ok := a[what]; ok {
		used[what] = true
		return
	}
	t.Errorf(format, args...)
}

func (a allowed) allUsed(t *testing.T, used map[string]bool) {
	t.Helper()
	for what := range a {
		if !used[what] {
			t.Errorf("the exception for %s is not needed any more: remove it", what)
		}
	}
}
