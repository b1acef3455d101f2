package translate

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	docsPage  = "../../../docs/kubernetes.md"
	docsBegin = "<!-- fields: written by go test ./libpod/kube/translate -update -->\n"
	docsEnd   = "<!-- end of fields -->\n"
)

// TestDocsPage: the tables of docs/kubernetes.md are those that the translator
// uses.
func TestDocsPage(t *testing.T) {
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), docsBegin)
	old, tail, closed := strings.Cut(rest, docsEnd)
	if !found || !closed {
		t.Fatalf("%s lacks the lines between which its tables stand", docsPage)
	}
	want := docsTables()
	if *update {
		if err := os.WriteFile(docsPage, []byte(head+docsBegin+want+docsEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s is out of date: run go test ./libpod/kube/translate -update", docsPage)
	}
}

func docsTables() string {
	var out strings.Builder
	out.WriteString("\n## Kinds\n\n| kind | | |\n|---|---|---|\n")
	all := kinds()
	for _, name := range sortedKeys(all) {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", name, all[name].level, all[name].note)
	}
	fields := table()
	var types []string
	rows := map[string][]string{}
	reach(fields, func(name string) {
		owner, field, _ := strings.Cut(name, ".")
		if !slices.Contains(types, owner) {
			types = append(types, owner)
		}
		row := fmt.Sprintf("| %s | %s | %s |\n", field, fields[name].level, fields[name].note)
		if !slices.Contains(rows[owner], row) {
			rows[owner] = append(rows[owner], row)
		}
	})
	for _, owner := range types {
		fmt.Fprintf(&out, "\n## %s\n\n| field | | |\n|---|---|---|\n%s", owner, strings.Join(rows[owner], ""))
	}
	out.WriteString("\n## Annotations of podman\n\nBegun with `" + annotation + "`; those for containers may end with `/CONTAINER`.\n\n")
	fmt.Fprintf(&out, "For containers: %s. For pods: %s.\n", strings.Join(sortedKeys(perContainer()), ", "), strings.Join(ofPod(), ", "))
	return out.String()
}
