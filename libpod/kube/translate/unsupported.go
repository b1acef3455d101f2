package translate

import (
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// walker looks through a decoded object for fields that are set and that
// carob does not honour.
type walker struct {
	table  map[string]field
	report func(path string, f field)
}

// isValue tells types that are structs in Go and one value in YAML.
func isValue(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[resource.Quantity](), reflect.TypeFor[intstr.IntOrString](), reflect.TypeFor[metav1.MicroTime]():
		return true
	}
	return t.Kind() != reflect.Struct
}

func (w *walker) walk(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.walk(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		if !isValue(v.Type()) {
			w.fields(v.Type().Name(), v, path)
		}
	}
}

// fields looks at the fields of a struct; those of an embedded one count as
// owner's own, unless the table knows them by the embedded type's name.
func (w *walker) fields(owner string, v reflect.Value, path string) {
	for i := range v.NumField() {
		member, f := v.Field(i), v.Type().Field(i)
		name, inline := yamlName(f)
		if inline {
			w.fields(inlineOwner(owner, f.Type), member, path)
			continue
		}
		if member.IsZero() {
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		entry, known := w.table[owner+"."+name]
		switch {
		case !known || entry.level == no:
			if !entry.isQuiet(valueText(member)) {
				w.report(at, entry)
			}
		case entry.level == yes || entry.level == partly:
			w.walk(member, at)
		}
	}
}

// inlineOwner is whose fields those of an embedded struct are in the table.
func inlineOwner(owner string, t reflect.Type) string {
	switch t.Name() {
	case "TypeMeta":
		return t.Name()
	}
	return owner
}

func yamlName(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, name == "" && (f.Anonymous || strings.Contains(options, "inline"))
}

func valueText(v reflect.Value) string {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}
