package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/procfs"
)

func newTop(a *app) *cobra.Command {
	o := &selection{}
	cmd := &cobra.Command{
		Use:   "top [options] CONTAINER [DESCRIPTOR... | PS-OPTION...]",
		Short: "List the processes of a container",
		Long: "List the processes of a container.\n\nDescriptors choose the columns: " + strings.Join(descriptorNames(), ", ") +
			".\nArguments that begin with a dash are for the container's own ps.",
		Example: "carob top web\ncarob top web pid user args\ncarob top web -ef",
		RunE:    func(cmd *cobra.Command, args []string) error { return runTop(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeTop,
	}
	cmd.Flags().SetInterspersed(false) // flags behind the name are ps's
	o.addFlags(cmd.Flags(), "latest")
	return cmd
}

// completeTop offers a container, and then columns.
func (a *app) completeTop(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return descriptorNames(), cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeContainersIn(libpod.StateRunning)(cmd, args, typed)
}

func runTop(ctx context.Context, a *app, o *selection, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	var names []string
	if !o.latest {
		if len(args) == 0 {
			return errors.New("you must provide the name or id of a running container")
		}
		names, args = args[:1], args[1:]
	}
	list, err := o.find(ctx, rt, names)
	if err != nil {
		return err
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		out, err := list[0].PS(ctx, args)
		if err == nil {
			_, err = a.out.Write(out)
		}
		return err
	}
	columns, err := topColumns(args)
	if err != nil {
		return err
	}
	all, err := list[0].Processes()
	if err != nil {
		return err
	}
	return a.printProcesses(columns, all)
}

func (a *app) printProcesses(columns []descriptor, all []*procfs.Process) error {
	w := tabwriter.NewWriter(a.out, 12, 2, 2, ' ', 0)
	inner := map[int]int{}
	for _, p := range all {
		inner[p.PID] = p.InnerPID()
	}
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, p := range all {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = c.value(process{p, inner})
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// topColumns reads descriptors, which may be joined by commas.
func topColumns(args []string) ([]descriptor, error) {
	if len(args) == 0 {
		args = []string{"user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"}
	}
	known := descriptors()
	var columns []descriptor
	for word := range strings.SplitSeq(strings.Join(args, ","), ",") {
		i := slices.IndexFunc(known, func(d descriptor) bool { return d.name == word || d.aix != "" && d.aix == word })
		if i < 0 {
			return nil, fmt.Errorf("cannot show %q: it is none of %s", word, strings.Join(descriptorNames(), ", "))
		}
		columns = append(columns, known[i])
	}
	return columns, nil
}

// process is a process and the pids inside of all that are shown with it.
type process struct {
	*procfs.Process
	inner map[int]int
}

func (p process) user(n int) string {
	return p.Name("passwd", p.Inside("uid_map", p.ID("Uid", n)))
}

func (p process) group(n int) string {
	return p.Name("group", p.Inside("gid_map", p.ID("Gid", n)))
}

// groups are the supplementary groups by name.
func (p process) groups() string {
	var names []string
	for _, id := range p.Groups() {
		names = append(names, p.Name("group", p.Inside("gid_map", id)))
	}
	return strings.Join(names, ",")
}

// hostGroups are the supplementary groups' numbers on the host.
func (p process) hostGroups() string {
	var ids []string
	for _, id := range p.Groups() {
		ids = append(ids, strconv.Itoa(int(procfs.Outside("gid_map", id))))
	}
	return strings.Join(ids, ",")
}

// descriptor is a column of top: podman's name, ps's AIX name.
type descriptor struct {
	name, aix, head string
	value           func(process) string
}

func descriptorNames() []string {
	var names []string
	for _, d := range descriptors() {
		names = append(names, d.name)
	}
	return names
}

func descriptors() []descriptor {
	status := func(key string) func(process) string {
		return func(p process) string { return p.Status(key) }
	}
	number := func(f func(process) int) func(process) string {
		return func(p process) string { return strconv.Itoa(f(p)) }
	}
	return []descriptor{
		{"args", "%a", "COMMAND", func(p process) string { return p.Args() }},
		{"capamb", "", "AMBIENT CAPS", status("CapAmb")},
		{"capbnd", "", "BOUNDING CAPS", status("CapBnd")},
		{"capeff", "", "EFFECTIVE CAPS", status("CapEff")},
		{"capinh", "", "INHERITED CAPS", status("CapInh")},
		{"capprm", "", "PERMITTED CAPS", status("CapPrm")},
		{"comm", "%c", "COMMAND", func(p process) string { return p.Comm }},
		{"etime", "%t", "ELAPSED", func(p process) string { return time.Since(p.Started).Round(time.Millisecond).String() }},
		{"group", "%G", "GROUP", func(p process) string { return p.group(1) }},
		{"groups", "", "GROUPS", func(p process) string { return p.groups() }},
		{"hgroup", "", "HGROUP", func(p process) string { return strconv.Itoa(int(procfs.Outside("gid_map", p.ID("Gid", 1)))) }},
		{"hgroups", "", "HGROUPS", func(p process) string { return p.hostGroups() }},
		{"hpid", "", "HPID", number(func(p process) int { return p.PID })},
		{"huser", "", "HUSER", func(p process) string { return strconv.Itoa(int(procfs.Outside("uid_map", p.ID("Uid", 1)))) }},
		{"label", "", "LABEL", func(p process) string { return p.Label() }},
		{"nice", "%n", "NI", number(func(p process) int { return p.Nice })},
		{"pcpu", "%C", "%CPU", cpuPercent},
		{"pgid", "%r", "PGID", number(func(p process) int { return p.InnerPGID() })},
		{"pid", "%p", "PID", number(func(p process) int { return p.InnerPID() })},
		{"ppid", "%P", "PPID", number(func(p process) int { return p.inner[p.PPID] })},
		{"rgroup", "%g", "RGROUP", func(p process) string { return p.group(0) }},
		{"rss", "", "RSS", func(p process) string { return strconv.FormatInt(p.RSS/1024, 10) }},
		{"ruser", "%u", "RUSER", func(p process) string { return p.user(0) }},
		{"seccomp", "", "SECCOMP", seccompMode},
		{"state", "", "STATE", func(p process) string { return p.State }},
		{"stime", "", "STIME", func(p process) string { return p.Started.String() }},
		{"time", "%x", "TIME", func(p process) string { return p.CPU.Round(time.Millisecond).String() }},
		{"tty", "%y", "TTY", func(p process) string { return p.Terminal() }},
		{"user", "%U", "USER", func(p process) string { return p.user(1) }},
		{"vsz", "%z", "VSZ", func(p process) string { return strconv.FormatInt(p.VSZ/1024, 10) }},
	}
}

func cpuPercent(p process) string {
	age := time.Since(p.Started).Seconds()
	if age <= 0 {
		return "0.000"
	}
	return strconv.FormatFloat(100*p.CPU.Seconds()/age, 'f', 3, 64)
}

// seccompMode names the numbers of proc(5).
func seccompMode(p process) string {
	switch p.Status("Seccomp") {
	case "0":
		return "disabled"
	case "1":
		return "strict"
	}
	return "filter"
}
