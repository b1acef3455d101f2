package manage

import (
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	files, err := Split("shop.quadlets", []byte(`# FileName=web
[Unit]
Description=--- no line of its own
[Container]
Image=a
---

#FileName = no
# FileName=data.volume
[Volume]
 ---
---
`))
	want := []File{
		{"web.container", []byte("# FileName=web\n[Unit]\nDescription=--- no line of its own\n[Container]\nImage=a\n")},
		{"data.volume", []byte("#FileName = no\n# FileName=data.volume\n[Volume]\n")},
	}
	if err != nil || len(files) != len(want) {
		t.Fatalf("%q, %v", files, err)
	}
	for i, f := range files {
		if f.Name != want[i].Name || string(f.Body) != string(want[i].Body) {
			t.Errorf("%s: %q, not %q", f.Name, f.Body, want[i].Body)
		}
	}
	for text, why := range map[string]string{
		"[Volume]\n":                           "x:1: the unit has no name",
		"# FileName=a\n[Volume]\n---\n[Pod]\n": "x:4: the unit has no name",
		"# FileName=a\n[Service]\n":            "x:1: the unit a has no section",
		"# FileName=../a\n[Volume]\n":          `x:1: "../a" is no name`,
		"# FileName=b/a\n[Volume]\n":           `x:1: "b/a" is no name`,
		"\n---\n":                              "there is no unit in x",
	} {
		if _, err := Split("x", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
