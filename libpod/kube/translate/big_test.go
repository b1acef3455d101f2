package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHostileYAML: neither numbers nor aliases make a file of a few lines cost
// seconds.
func TestHostileYAML(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: i\n"
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		name, last := string(rune('b'+i)), string(rune('a'+i))
		bomb += fmt.Sprintf("%s: &%s [%s]\n", name, name, strings.Repeat("*"+last+",", 8)+"*"+last)
	}
	for name, yaml := range map[string]string{
		"exponent":  pod + "    resources: {limits: {memory: 1e1000000000, cpu: 1e-1000000000}}\n",
		"huge":      pod + "    resources: {limits: {memory: 99999999999999999999999999E}}\n",
		"divisor":   pod + "    env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1e-30}}}]\n",
		"size":      pod + "  volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1e999999999}}]\n",
		"aliases":   bomb + "kind: Pod\n",
		"replicas":  "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2000000000, template: {spec: {containers: [{name: c, image: i}]}}}\n",
		"lists":     strings.Repeat("kind: List\nitems:\n- ", 1) + strings.Repeat("{kind: List, items: [", 100) + strings.Repeat("]}", 100),
		"self":      "kind: Pod\na: &a [*a]\n",
		"depth":     "kind: Pod\napiVersion: v1\nx: " + strings.Repeat("[", 200000),
		"blocks":    strings.Repeat("- ", 100000),
		"documents": strings.Repeat("---\n"+pod, 300),
	} {
		start := time.Now()
		_, _, err := Plan(source([]byte(yaml)))
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		t.Logf("%s: %v", name, err)
		if err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: that is no error of one clear line: %v", name, err)
		}
		if unfolds := []string{"aliases", "self", "depth", "blocks", "lists", "replicas"}; err == nil && slices.Contains(unfolds, name) {
			t.Errorf("%s is no error", name)
		}
	}
}
