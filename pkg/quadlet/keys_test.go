package quadlet

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTablesHoldTheDocumentedKeys: no key is missing, none is made up.
func TestTablesHoldTheDocumentedKeys(t *testing.T) {
	body, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for line := range strings.Lines(string(body)) {
		section, keys, ok := strings.Cut(line, ":")
		if strings.HasPrefix(line, "#") || !ok {
			continue
		}
		for _, key := range strings.Fields(keys) {
			want = append(want, section+" "+key)
		}
	}
	for _, k := range Keys() {
		got = append(got, k.Section+" "+k.Key)
	}
	for _, k := range want {
		if !slices.Contains(got, k) {
			t.Errorf("%s is documented and not in the table", k)
		}
	}
	for _, k := range got {
		if !slices.Contains(want, k) {
			t.Errorf("%s is in the table and not documented", k)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d keys are documented, the tables have %d", len(want), len(got))
	}
}

// TestKeysOfTheManual: docs/quadlet.md has the tables as they are.
func TestKeysOfTheManual(t *testing.T) {
	const path = "../../docs/quadlet.md"
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	begin, end := strings.Index(page, keysBegin), strings.Index(page, keysEnd)
	if begin < 0 || end < begin {
		t.Fatalf("%s does not mark its tables", path)
	}
	begin += len(keysBegin)
	if want := keyTables(); page[begin:end] != want {
		if !*update {
			t.Fatalf("%s has other tables than the code; go test ./pkg/quadlet -update writes them", path)
		}
		if err := os.WriteFile(path, []byte(page[:begin]+want+page[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const keysBegin, keysEnd = "<!-- keys: written by go test ./pkg/quadlet -update -->\n", "<!-- end of keys -->"

func keyTables() string {
	var b strings.Builder
	section := ""
	for _, k := range Keys() {
		if k.Section != section {
			section = k.Section
			b.WriteString("\n### [" + section + "]\n\n| key | becomes |\n|---|---|\n")
		}
		b.WriteString("| " + k.Key + " | " + k.Becomes + " |\n")
	}
	return b.String() + "\n"
}
