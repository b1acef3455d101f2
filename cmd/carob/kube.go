package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/pkg/netns"
	"github.com/carob-containers/carob/pkg/report"
)

// newKube is the parent of the commands about Kubernetes YAML.
func newKube(a *app) *cobra.Command {
	return parent(a, "kube", "Play containers, pods and volumes from Kubernetes YAML, and write it", kubeCommands())
}

func kubeCommands() []command {
	return []command{
		{"down", newKubeDown},
		{"generate", newKubeGenerate},
		{"ls", newKubeLs},
		{"play", newKubePlay},
	}
}

// newPlay holds podman's older name of kube play.
func newPlay(a *app) *cobra.Command {
	return parent(a, "play", "Play containers, pods and volumes from a file (kube play)", []command{{"kube", func(a *app) *cobra.Command {
		return renamed(newKubePlay(a), "play", "kube")
	}}})
}

// newGenerate holds podman's older name of kube generate, and generate systemd.
func newGenerate(a *app) *cobra.Command {
	return parent(a, "generate", "Write what is here for Kubernetes and systemd", []command{
		{"kube", func(a *app) *cobra.Command { return renamed(newKubeGenerate(a), "generate", "kube") }},
		{"systemd", newGenerateSystemd},
	})
}

func renamed(cmd *cobra.Command, from, to string) *cobra.Command {
	cmd.Use = to + strings.TrimPrefix(cmd.Use, from)
	return cmd
}

// askKube lets carob-kube translate: Kubernetes' types are not linked into
// carob, whose start they would slow down.
func (a *app) askKube(ctx context.Context, req *kube.Request) (*kube.Reply, error) {
	program, err := helperProgram("carob-kube")
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, a.err
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL} // nobody would hear its answer
	runtime.LockOSThread()                                       // the signal comes when the thread ends that has started it
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cannot translate Kubernetes YAML: %s: %w", program, err)
	}
	reply := &kube.Reply{}
	if err := json.Unmarshal(out.Bytes(), reply); err != nil {
		return nil, fmt.Errorf("cannot translate Kubernetes YAML: %s answers what nobody understands: %w", program, err)
	}
	for _, w := range reply.Warnings {
		a.warn(w)
	}
	if reply.Error != "" {
		return nil, errors.New(reply.Error)
	}
	return reply, nil
}

// maxYAML bounds what is read; a file of a megabyte is a very long one.
const maxYAML = 64 << 20

// readYAML reads a file, standard input (-) or a URL.
func (a *app) readYAML(ctx context.Context, from string) ([]byte, error) {
	switch {
	case isWebAddress(from):
		reply, err := a.askKube(ctx, &kube.Request{Fetch: from})
		if err != nil {
			return nil, err
		}
		return reply.YAML, nil
	case from == "-":
		return limited(a.in, "standard input")
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, fmt.Errorf("cannot read Kubernetes YAML: %w", err)
	}
	defer f.Close()
	return limited(f, from)
}

func limited(r io.Reader, name string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxYAML+1))
	if err == nil && len(body) > maxYAML {
		err = fmt.Errorf("it is larger than %d bytes", maxYAML)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read Kubernetes YAML of %s: %w", name, err)
	}
	return body, nil
}

// kubeHost is what YAML may ask of this host.
func kubeHost() kube.Host {
	h := kube.Host{IP: netns.HostIP(), CPUs: runtime.NumCPU()}
	h.Name, _ = os.Hostname() // "" where it cannot be read
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		h.Memory = int64(info.Totalram) * int64(info.Unit)
	}
	return h
}

// listed prints ids below a heading, as podman's kube commands do.
func (a *app) listed(heading string, ids []string) {
	fmt.Fprintln(a.out, heading)
	for _, id := range ids {
		fmt.Fprintln(a.out, id)
	}
}

type kubeDownOptions struct{ force bool }

func newKubeDown(a *app) *cobra.Command {
	o := &kubeDownOptions{}
	cmd := &cobra.Command{
		Use:   "down [options] FILE|-|URL [FILE|URL...]",
		Short: "Remove the pods that kube play has made of a file",
		Long: `Remove the pods and secrets of the objects in Kubernetes YAML. Volumes stay, with what they
hold; --force removes them, too. What is not there is no error.`,
		Example: `carob kube down web.yaml
cat web.yaml | carob kube down -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rt, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			yaml, err := a.readAllYAML(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.kubeDown(cmd.Context(), rt, yaml, o.force)
		},
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "remove the volumes of the file's claims as well")
	return cmd
}

func (a *app) kubeDown(ctx context.Context, rt *libpod.Runtime, yaml []byte, force bool) error {
	reply, err := a.askKube(ctx, &kube.Request{Translate: &kube.Source{YAML: yaml, Names: true}})
	if err != nil {
		return err
	}
	down, err := rt.DownKube(ctx, reply.Plan, force)
	if down == nil {
		return err
	}
	a.listed("Pods stopped:", down.Stopped)
	a.listed("Pods removed:", down.Removed)
	a.listed("Secrets removed:", down.Secrets)
	a.listed("Volumes removed:", down.Volumes)
	return err
}

// newKubeLs lists what kube play has made, and what it has only kept.
func newKubeLs(a *app) *cobra.Command {
	var noHeading bool
	cmd := &cobra.Command{
		Use:   "ls [options]",
		Short: "List the objects of Kubernetes YAML that were played, with their pods",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runKubeLs(cmd.Context(), a, noHeading) },
	}
	cmd.Flags().BoolVarP(&noHeading, "noheading", "n", false, "leave the line of headings out")
	return cmd
}

// kubeRow is a line of the listing.
type kubeRow struct{ Kind, Name, Namespace, Pods string }

func runKubeLs(ctx context.Context, a *app, noHeading bool) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	pods, err := rt.Pods(ctx)
	if err != nil {
		return err
	}
	var rows []kubeRow
	for _, p := range pods {
		if p.Kube == nil {
			continue
		}
		k := p.Kube
		i := slices.IndexFunc(rows, func(r kubeRow) bool { return r.Kind == k.Kind && r.Name == k.Name })
		if i < 0 {
			rows = append(rows, kubeRow{k.Kind, k.Name, k.Namespace, p.Name})
			continue
		}
		rows[i].Pods += "," + p.Name
	}
	kept, err := rt.KubeObjects(ctx)
	if err != nil {
		return err
	}
	for _, o := range kept {
		rows = append(rows, kubeRow{o.Kind, o.Name, o.Namespace, ""})
	}
	return a.printKubeRows(rows, noHeading)
}

func (a *app) printKubeRows(rows []kubeRow, noHeading bool) error {
	return report.Write(a.out, rows, report.Options{
		Default: "{{.Kind}}\t{{.Name}}\t{{.Namespace}}\t{{.Pods}}", NoHeading: noHeading,
	})
}
