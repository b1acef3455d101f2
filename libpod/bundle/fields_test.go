package bundle

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
)

// elsewhere says who else makes a field of spec.Container come true. A field
// that Generate does not read must stand here: a new one without a home is
// accepted from the user and ignored.
func elsewhere() map[string]string {
	return map[string]string{
		"Created":       "inspect and ps show it",
		"CreateCommand": "inspect shows it",
		"Name":          "the store's name index, containerenv",
		"Image":         "inspect shows it", "ImageID": "the launcher mounts it", "ImageName": "ps shows it",
		"Rootfs": "the launcher mounts it",
		"Pod":    "the launcher resolves its namespaces", "Requires": "start starts them first",
		"Labels":  "ps, events and filters",
		"PIDFile": "the monitor writes it", "MonitorPIDFile": "the monitor writes it",
		"Restart.Policy": "the monitor restarts", "Restart.Max": "the monitor restarts",
		"Health": "the monitor runs it", "Startup": "the monitor runs it",
		"Probes": "the monitor asks", "Hooks": "the monitor runs them",
		"Infra": "start makes a sandbox of it", "InitType": "pod start runs it first",

		"Process.HostUsers": "Files.Passwd",
		"Process.Stdin":     "the monitor keeps it open", "Process.Timezone": "Files.Localtime",
		"Process.PasswdEntry": "Files.Passwd", "Process.GroupEntry": "Files.Group", "Process.NoPasswd": "Files.Passwd, Files.Group",
		"Process.StopTimeout": "the monitor waits that long", "Process.Timeout": "the monitor waits that long",
		"Process.SdNotify": "the launcher, for the monitor", "Process.PreserveFDs": "the monitor hands them on",
		"Process.Secrets": "Files.Secrets, Mounts, ExtraEnv",

		"Mounts.List": "Input.Mounts, resolved", "Mounts.ImageVolume": "spec.MergeMounts",
		"Mounts.NoHosts": "Files.Hosts", "Mounts.HostsFile": "Files.Hosts", "Mounts.NoHostname": "Files.Hostname", "Mounts.Devices": "Input.Devices, resolved",

		"Isolation.UIDMap": "Isolation.Mapping", "Isolation.GIDMap": "Isolation.Mapping",
		"Isolation.SubUID": "Isolation.Mapping", "Isolation.SubGID": "Isolation.Mapping",
		"Isolation.Hostname": "Input.Hostname",

		"Security.SeccompPolicy": "the launcher picks the profile",

		"Network.Networks": "the launcher sets the network up", "Network.Ports": "the launcher publishes them",
		"Network.Expose": "the launcher publishes them with -P", "Network.AddHosts": "Files.Hosts",
		"Network.DNS": "Files.ResolvConf", "Network.DNSSearch": "Files.ResolvConf", "Network.DNSOptions": "Files.ResolvConf",
		"Network.AddDNS": "Files.ResolvConf", "Network.AddDNSSearch": "Files.ResolvConf", "Network.AddDNSOptions": "Files.ResolvConf",
		"Network.FullName": "Files.Hosts", "Network.HostInternalIP": "Files.Hosts",

		"Log.Driver": "the monitor logs", "Log.Path": "the monitor logs", "Log.Dir": "the monitor logs", "Log.MaxSize": "the monitor logs",
		"Log.MaxFile": "the monitor logs", "Log.Tag": "the monitor logs", "Log.Options": "inspect shows them",
	}
}

func TestEveryFieldHasAHome(t *testing.T) {
	read := selectors(t)
	homes := elsewhere()
	for _, field := range fieldsOf(reflect.TypeFor[spec.Container](), "") {
		word := field[strings.LastIndex(field, ".")+1:]
		here := read[word]
		_, there := homes[field]
		delete(homes, field)
		switch {
		case !here && !there:
			t.Errorf("spec.Container.%s is read nowhere: use it in Generate, or say in elsewhere() who does", field)
		case here && there && !ambiguous(word):
			t.Errorf("spec.Container.%s is read here, and yet listed in elsewhere()", field)
		}
	}
	for field := range homes {
		t.Errorf("elsewhere() lists %s, which is no field of spec.Container", field)
	}
}

// ambiguous words are the names of other things in this package as well.
func ambiguous(word string) bool {
	return slices.Contains([]string{"Name", "Image", "Rootfs", "Devices", "Hostname", "Path", "Options", "Secrets", "Stdin", "Created"}, word)
}

// fieldsOf lists the fields of a struct; those that are structs of this
// package, not pointers to one, are taken apart.
func fieldsOf(t reflect.Type, prefix string) []string {
	var list []string
	for f := range t.Fields() {
		if f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == t.PkgPath() {
			list = append(list, fieldsOf(f.Type, prefix+f.Name+".")...)
			continue
		}
		list = append(list, prefix+f.Name)
	}
	return list
}

// selectors are the names read as fields anywhere in this package.
func selectors(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				names[s.Sel.Name] = true
			}
			return true
		})
	}
	return names
}
