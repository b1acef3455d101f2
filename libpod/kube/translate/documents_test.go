package translate

import (
	"strings"
	"testing"
)

// TestYAML: forms of YAML that people use for one pod, or for two.
func TestYAML(t *testing.T) {
	const head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
	const pod = head + "  - {name: a, image: i}\n"
	for name, c := range map[string]struct {
		text string
		want string // the images of all containers, or "!" and a part of the error
	}{
		"a key beside merged ones":  {head + "  - &c {name: a, image: i}\n  - <<: *c\n    name: b\n", "i i"},
		"the first merged one wins": {"x: [&c {name: a, image: i}, &d {image: j, tty: true}]\n" + head + "  - <<: [*c, *d]\n    name: b\n", "i"},
		"a key twice, with a merge": {head + "  - &c {name: a, image: i}\n  - <<: *c\n    name: b\n    name: d\n", `!key "name" already set in map`},
		"a key twice":               {head + "  - {name: a, image: i, image: j}\n", `!key "image" already set in map`},
		"a map as a key":            {"<<: {}\n? {a: b}\n: c\n" + pod, "!invalid map key"},
		"which YAML it is":          {"%YAML 1.2\n---\n" + pod, "i"},
		"after three dots":          {pod + "...\n" + strings.Replace(pod, "name: p", "name: q", 1), "i i"},
		"what has no name":          {pod + "...\n# no more\n...\nkind: Pod\n", "!Pod in the document at line 10"},
	} {
		plan, _, err := Plan(source([]byte(c.text)))
		if part, fails := strings.CutPrefix(c.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: wanted %s, got %v", name, part, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var images []string
		for _, p := range plan.Pods {
			for _, m := range p.Containers {
				images = append(images, m.Spec.Image)
			}
		}
		if got := strings.Join(images, " "); got != c.want {
			t.Errorf("%s: wanted %s, got %s", name, c.want, got)
		}
	}
}
