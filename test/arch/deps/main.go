// Command deps prints docs/DEPENDENCIES.md: which module each program links,
// at which version, and how many of its packages.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const tags = "containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_zfs"

// programs are those under cmd; the monitor is built without cgo.
var programs = []struct{ name, cgo string }{
	{"carob", "1"}, {"carob-monitor", "0"}, {"carob-image", "1"}, {"carob-probe", "0"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "deps:", err)
		os.Exit(1)
	}
}

func run() error {
	packages := map[string][]int{} // module and version: linked packages by program
	for i, p := range programs {
		modules, err := linked(p.name, p.cgo)
		if err != nil {
			return err
		}
		for m, n := range modules {
			if packages[m] == nil {
				packages[m] = make([]int, len(programs))
			}
			packages[m][i] = n
		}
	}
	names := make([]string, 0, len(packages))
	for m := range packages {
		names = append(names, m)
	}
	slices.Sort(names)

	out := bufio.NewWriter(os.Stdout)
	fmt.Fprint(out, "# Dependencies\n\nMade by `make deps`: the modules each program links, with the number of their packages in it.\n\n| module | version |")
	for _, p := range programs {
		fmt.Fprintf(out, " %s |", p.name)
	}
	fmt.Fprint(out, "\n|---|---|---|---|---|\n")
	for _, m := range names {
		module, version, _ := strings.Cut(m, " ")
		fmt.Fprintf(out, "| %s | %s |", module, version)
		for i := range programs {
			if n := packages[m][i]; n > 0 {
				fmt.Fprintf(out, " %d |", n)
			} else {
				fmt.Fprint(out, " |")
			}
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// linked counts packages by "module version".
func linked(program, cgo string) (map[string]int, error) {
	cmd := exec.Command("go", "list", "-deps", "-tags", tags,
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list what %s links: %w", program, err)
	}
	modules := map[string]int{}
	for line := range bytes.Lines(out) {
		if m := strings.TrimSpace(string(line)); m != "" {
			modules[m]++
		}
	}
	return modules, nil
}
