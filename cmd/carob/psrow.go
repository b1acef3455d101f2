package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/report"
)

// psRow is a container as templates of ps see it.
type psRow struct {
	psJSON
	noTrunc bool
	created time.Time
	started time.Time
	health  string
	sizes   *libpod.Sizes
}

// psJSON has podman's keys. Times without one are podman's, the year 1.
type psJSON struct {
	AutoRemove   bool
	Command      []string
	CreatedSince string `json:"CreatedAt"`
	Exited       bool
	ExitedAt     int64
	ExitCode     int
	FullID       string `json:"Id"`
	Image        string
	FullImageID  string `json:"ImageID"`
	IsInfra      bool
	Labels       map[string]string
	Mounts       []string
	NameList     []string `json:"Names"`
	Namespaces   psNamespaces
	NetworkList  []string `json:"Networks"`
	Pid          int
	PodID        string `json:"Pod"`
	PodName      string
	PortList     []psPort `json:"Ports"`
	SizeJSON     *psSize  `json:"Size"`
	StartedAt    int64
	StateWord    string `json:"State"`
	StatusText   string `json:"Status"`
	CreatedUnix  int64  `json:"Created"`
}

type psNamespaces struct {
	Mnt    string `json:"Mnt,omitempty"`
	Cgroup string `json:"Cgroup,omitempty"`
	IPC    string `json:"Ipc,omitempty"`
	Net    string `json:"Net,omitempty"`
	PID    string `json:"Pidns,omitempty"`
	User   string `json:"User,omitempty"`
	UTS    string `json:"Uts,omitempty"`
}

type psPort struct {
	HostIP        string `json:"host_ip"`
	ContainerPort uint16 `json:"container_port"`
	HostPort      uint16 `json:"host_port"`
	Range         uint16 `json:"range"`
	Protocol      string `json:"protocol"`
}

type psSize struct {
	RootFS int64 `json:"rootFsSize"`
	RW     int64 `json:"rwSize"`
}

// psReader makes rows.
type psReader struct {
	o        *psOptions
	rt       *libpod.Runtime
	commands *libpod.Commands
	pods     map[string]string // names by ID, read on first use
}

// row is nil for a container that is not wanted, or that went meanwhile.
func (p *psReader) row(ctx context.Context, c *libpod.Container, filter libpod.Filters, everyState bool) (*psRow, error) {
	st, err := c.Repair(ctx)
	var gone *libpod.NoContainerError
	if errors.As(err, &gone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !everyState && !st.Running() && st.Status != libpod.StateRestarting {
		return nil, nil
	}
	ok, err := filter.Match(ctx, p.rt, c)
	if err != nil || !ok {
		return nil, err
	}
	r := &psRow{noTrunc: p.o.noTrunc, created: c.Created, started: st.StartedAt(), health: st.Health}
	r.describe(c, st)
	ports, err := c.PublishedPorts(ctx)
	if err != nil {
		return nil, err
	}
	r.PortList = psPorts(ports)
	r.psJSON.Command = p.commands.Of(c)
	r.IsInfra = c.Infra
	if r.PodName, err = p.podName(ctx, c.Pod); err != nil {
		return nil, err
	}
	if p.o.ns && st.Running() {
		r.addNamespaces(st.PID)
	}
	if p.o.size {
		sizes, err := c.Sizes()
		if err != nil {
			return nil, err
		}
		r.sizes, r.SizeJSON = &sizes, &psSize{sizes.RootFS, sizes.RW}
	}
	return r, nil
}

// podName is the name of a container's pod. The table asks for it only when
// pods are shown; other formats may use it.
func (p *psReader) podName(ctx context.Context, id string) (string, error) {
	if id == "" || !p.o.pod && p.o.format == "" {
		return "", nil
	}
	if p.pods == nil {
		var err error
		if p.pods, err = p.rt.PodNames(ctx); err != nil {
			return "", err
		}
	}
	return p.pods[id], nil
}

// podmanNoTime is Go's zero time in Unix seconds, which podman prints for
// what has not happened.
const podmanNoTime = -62135596800

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return podmanNoTime
	}
	return t.Unix()
}

func (r *psRow) describe(c *libpod.Container, st *libpod.State) {
	r.AutoRemove, r.FullID, r.Image, r.FullImageID = c.Container.Remove, c.ID, c.ImageName, c.ImageID
	r.CreatedSince, r.CreatedUnix = report.Ago(c.Created), c.Created.Unix()
	r.Exited = st.Status == libpod.StateExited
	r.ExitedAt, r.StartedAt = podmanNoTime, unixSeconds(st.StartedAt())
	if r.Exited {
		r.ExitCode, r.ExitedAt = st.ExitCode, unixSeconds(st.FinishedAt())
	}
	r.Labels, r.NameList, r.PodID = c.Labels, []string{c.Name}, c.Pod
	r.Mounts, r.NetworkList = []string{}, []string{}
	for _, m := range c.Mounts.List {
		r.Mounts = append(r.Mounts, m.Destination)
	}
	for _, n := range c.Network.Networks {
		r.NetworkList = append(r.NetworkList, n.Name)
	}
	if st.Running() {
		r.Pid = st.PID
	}
	r.StateWord, r.StatusText = st.Status, statusText(st)
}

func psPorts(ports []spec.Port) []psPort {
	var out []psPort
	for _, p := range ports {
		out = append(out, psPort{p.HostIP, p.Container, p.HostPort, max(p.Range, 1), p.Protocol})
	}
	return out
}

// statusText says what a container does, and since when.
func statusText(st *libpod.State) string {
	switch st.Status {
	case libpod.StateRunning:
		return "Up " + report.Duration(time.Since(st.StartedAt()))
	case libpod.StateExited:
		return fmt.Sprintf("Exited (%d) %s", st.ExitCode, report.Ago(st.FinishedAt()))
	case libpod.StateRestarting:
		return fmt.Sprintf("Restarting (%d) %s", st.ExitCode, report.Ago(st.FinishedAt()))
	}
	return strings.ToUpper(st.Status[:1]) + st.Status[1:]
}

func (r *psRow) addNamespaces(pid int) {
	ids := libpod.NamespaceIDs(pid)
	r.Namespaces = psNamespaces{
		Mnt: ids["mnt"], Cgroup: ids["cgroup"], IPC: ids["ipc"], Net: ids["net"], PID: ids["pid"], User: ids["user"], UTS: ids["uts"],
	}
}

func (p *psReader) addExternal(rows []psRow, own []*libpod.Container) ([]psRow, error) {
	others, err := p.rt.External(own)
	if err != nil {
		return nil, err
	}
	for _, e := range others {
		r := psRow{noTrunc: p.o.noTrunc, created: e.Created}
		r.psJSON.Command, r.FullID, r.Image, r.FullImageID, r.NameList = []string{e.Program}, e.ID, e.Image, e.ImageID, e.Names
		r.CreatedSince, r.CreatedUnix = report.Ago(e.Created), e.Created.Unix()
		r.ExitedAt, r.StartedAt, r.StateWord, r.StatusText = podmanNoTime, podmanNoTime, "storage", "Storage"
		r.Mounts, r.NetworkList = []string{}, []string{}
		rows = append(rows, r)
	}
	return rows, nil
}

func (o *psOptions) order(rows []psRow) {
	slices.SortStableFunc(rows, func(a, b psRow) int {
		switch o.sort {
		case "command":
			return cmp.Compare(strings.Join(a.psJSON.Command, " "), strings.Join(b.psJSON.Command, " "))
		case "id":
			return cmp.Compare(a.FullID, b.FullID)
		case "image":
			return cmp.Compare(a.Image, b.Image)
		case "names":
			return cmp.Compare(a.Names(), b.Names())
		case "pod":
			return cmp.Compare(a.PodID, b.PodID)
		case "size":
			if a.sizes != nil && b.sizes != nil {
				return cmp.Compare(a.sizes.RootFS, b.sizes.RootFS)
			}
			return 0
		case "status":
			return cmp.Compare(a.StateWord, b.StateWord)
		case "runningfor":
			return a.started.Compare(b.started)
		}
		return a.created.Compare(b.created)
	})
}

func (a *app) psJSON(rows []psRow) error {
	list := make([]psJSON, len(rows))
	for i, r := range rows {
		list[i] = r.psJSON
	}
	return report.JSON(a.out, list)
}

// The methods are what templates may name.

func (r psRow) short(id string) string {
	if r.noTrunc {
		return id
	}
	return report.ShortID(id)
}

func (r psRow) ID() string           { return r.short(r.FullID) }
func (r psRow) ImageID() string      { return r.short(r.FullImageID) }
func (r psRow) Pod() string          { return r.short(r.PodID) }
func (r psRow) Names() string        { return strings.Join(r.NameList, ",") }
func (r psRow) Networks() string     { return strings.Join(r.NetworkList, ",") }
func (r psRow) CreatedHuman() string { return r.CreatedSince }
func (r psRow) Created() time.Time   { return r.created }
func (r psRow) RunningFor() string   { return r.CreatedSince }
func (r psRow) CreatedAt() string    { return r.created.String() }
func (r psRow) State() string        { return r.StatusText }
func (r psRow) MNT() string          { return r.Namespaces.Mnt }
func (r psRow) CGROUPNS() string     { return r.Namespaces.Cgroup }
func (r psRow) IPC() string          { return r.Namespaces.IPC }
func (r psRow) NET() string          { return r.Namespaces.Net }
func (r psRow) PIDNS() string        { return r.Namespaces.PID }
func (r psRow) USERNS() string       { return r.Namespaces.User }
func (r psRow) UTS() string          { return r.Namespaces.UTS }

// Label is the value of one label.
func (r psRow) Label(name string) string { return r.Labels[name] }

// Status is State with the health check's verdict.
func (r psRow) Status() string {
	if r.health != "" && r.StateWord == libpod.StateRunning {
		return r.StatusText + " (" + r.health + ")"
	}
	return r.StatusText
}

// Command is cut to what fits a column.
func (r psRow) Command() string {
	const width = 17
	words := strings.Join(r.psJSON.Command, " ")
	if runes := []rune(words); !r.noTrunc && len(runes) > width+3 {
		return string(runes[:width]) + "..."
	}
	return words
}

// Size says what was written and, in brackets, the whole.
func (r psRow) Size() (string, error) {
	if r.sizes == nil {
		return "", errors.New("Size needs --size")
	}
	return fmt.Sprintf("%s (virtual %s)", tight(r.sizes.RW), tight(r.sizes.RootFS)), nil
}

// Ports are the published ports, a range as one.
func (r psRow) Ports() string {
	var words []string
	for _, p := range r.PortList {
		ip := p.HostIP
		if ip == "" {
			ip = "0.0.0.0"
		}
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]"
		}
		words = append(words, fmt.Sprintf("%s:%s->%s/%s", ip, portRange(p.HostPort, p.Range), portRange(p.ContainerPort, p.Range), p.Protocol))
	}
	return strings.Join(words, ", ")
}

func portRange(first, n uint16) string {
	text := strconv.Itoa(int(first))
	if n > 1 {
		text += "-" + strconv.Itoa(int(first)+int(n)-1)
	}
	return text
}

// tight is a size with three digits and no blank.
func tight(bytes int64) string { return strings.ReplaceAll(report.Size(bytes), " ", "") }
