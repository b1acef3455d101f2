package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

type results struct {
	Machine map[string]string
	Rounds  int
	Figures []figure
}

type figure struct {
	Name    string
	Unit    string
	Medians map[string]float64 // by side
	Ratios  map[string]float64 // carob's median over the side's
	Verdict string             `json:",omitempty"`
	Samples map[string][]float64
	Parts   map[string]map[string]float64 `json:",omitempty"` // of a sum, by side and program
	targets []target
}

// conclude fills in what follows from the samples.
func (f *figure) conclude() {
	f.Medians, f.Ratios = map[string]float64{}, map[string]float64{}
	for side := range f.Samples {
		f.Medians[side], _ = f.median(side)
		if ratio, ok := f.ratio(side); ok && side != "carob" {
			f.Ratios[side] = ratio
		}
	}
	f.Verdict = f.verdict()
}

// machine says what the figures were measured on.
func machine() map[string]string {
	m := map[string]string{
		"time": time.Now().UTC().Format(time.RFC3339),
		"cpus": fmt.Sprint(runtime.NumCPU()),
	}
	for name, argv := range map[string][]string{
		"kernel": {"uname", "-r"}, "podman": {"podman", "--version"}, "crun": {"crun", "--version"},
		"carob": {"carob", "--version"},
	} {
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			out = []byte(err.Error())
		}
		m[name], _, _ = strings.Cut(string(out), "\n")
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m["load at the start"] = strings.TrimSpace(string(b))
	}
	return m
}

func (f figure) median(side string) (float64, bool) {
	samples := slices.Clone(f.Samples[side])
	if len(samples) == 0 {
		return 0, false
	}
	slices.Sort(samples)
	mid := len(samples) / 2
	if len(samples)%2 == 1 {
		return samples[mid], true
	}
	return (samples[mid-1] + samples[mid]) / 2, true
}

// ratio is carob's median over the side's.
func (f figure) ratio(side string) (float64, bool) {
	carob, ok := f.median("carob")
	other, ok2 := f.median(side)
	return carob / other, ok && ok2 && other > 0
}

func (r *results) table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "medians\tunit\tcarob\tpodman\tcrun\tcarob/podman\tcarob/crun\ttargets")
	for _, f := range r.Figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Unit,
			show(f.median("carob")), show(f.median("podman")), show(f.median("crun")),
			show2(f.ratio("podman")), show2(f.ratio("crun")), f.Verdict)
	}
	w.Flush()
	for _, f := range r.Figures {
		for _, side := range slices.Sorted(maps.Keys(f.Parts)) {
			fmt.Fprintf(out, "%s, %s:", f.Name, side)
			for _, program := range slices.Sorted(maps.Keys(f.Parts[side])) {
				fmt.Fprintf(out, " %s %.0f", program, f.Parts[side][program])
			}
			fmt.Fprintln(out)
		}
	}
}

func show(v float64, ok bool) string {
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}

func show2(v float64, ok bool) string {
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

func (f figure) verdict() string {
	var words []string
	for _, t := range f.targets {
		ratio, ok := f.ratio(t.of)
		state := "met"
		switch {
		case !ok:
			state = "not measured"
		case ratio > t.times:
			state = "MISSED"
		}
		words = append(words, fmt.Sprintf("≤ %g × %s %s (%.2f)", t.times, t.of, state, ratio))
	}
	return strings.Join(words, ", ")
}
