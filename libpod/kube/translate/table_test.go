package translate

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
)

// roots are the types of the kinds that are understood.
func roots() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[core.Pod](), reflect.TypeFor[apps.Deployment](), reflect.TypeFor[apps.ReplicaSet](), reflect.TypeFor[apps.StatefulSet](),
		reflect.TypeFor[apps.DaemonSet](), reflect.TypeFor[batch.Job](), reflect.TypeFor[core.ConfigMap](), reflect.TypeFor[core.Secret](),
		reflect.TypeFor[core.PersistentVolumeClaim](), reflect.TypeFor[core.Service](), reflect.TypeFor[core.Namespace](),
	}
}

// reach walks the types as walker walks values, and calls found for every
// field that a file may hold.
func reach(entries map[string]field, found func(name string)) {
	seen := map[reflect.Type]bool{}
	var visit func(owner string, t reflect.Type)
	enter := func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if isValue(t) || seen[t] {
			return
		}
		seen[t] = true
		visit(t.Name(), t)
	}
	visit = func(owner string, t reflect.Type) {
		for i := range t.NumField() {
			name, inline := yamlName(t.Field(i))
			if inline {
				visit(inlineOwner(owner, t.Field(i).Type), t.Field(i).Type)
				continue
			}
			found(owner + "." + name)
			if e, ok := entries[owner+"."+name]; ok && (e.level == yes || e.level == partly) {
				enter(t.Field(i).Type)
			}
		}
	}
	for _, root := range roots() {
		enter(root)
	}
}

// TestTableIsWhole: every field of Kubernetes' types stands in the table, and
// nothing else.
func TestTableIsWhole(t *testing.T) {
	entries, found := table(), map[string]bool{}
	reach(entries, func(name string) {
		found[name] = true
		if _, ok := entries[name]; !ok {
			t.Errorf("the table lacks %s: say there what carob does with it", name)
		}
	})
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if !found[name] {
			t.Errorf("the table has %s, which no kind holds that carob understands", name)
		}
	}
	for _, root := range roots() {
		if _, ok := kinds()[root.Name()]; !ok {
			t.Errorf("the table of kinds lacks %s", root.Name())
		}
	}
}
