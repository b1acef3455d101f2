package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// TestConfigurationIsUsed: a field of containers.conf that is read and then
// not looked at by anybody is a key silently ignored. What has no effect
// belongs in the list of pkg/config/unused.go, which warns.
func TestConfigurationIsUsed(t *testing.T) {
	used, declared := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		if s.dir == "pkg/config" {
			ast.Inspect(s.file, func(n ast.Node) bool {
				if f, ok := n.(*ast.Field); ok && f.Tag != nil && strings.Contains(f.Tag.Value, "toml:") {
					for _, name := range f.Names {
						declared[name.Name] = s.position(f)
					}
				}
				return true
			})
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				used[sel.Sel.Name] = true
			}
			return true
		})
	}
	if len(declared) < 60 {
		t.Fatalf("only %d keys were found", len(declared))
	}
	for name, where := range declared {
		if !used[name] {
			t.Errorf("%s: nothing reads %s: obey the key, or move it to unused.go with the reason", where, name)
		}
	}
}
