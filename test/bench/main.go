// Command bench measures carob beside Debian's podman and a bare `crun run`
// of a prepared bundle: the same unprivileged account, the same image,
// overlay storage for both, each with a home of its own, taking turns. The
// table goes to stderr, the samples as JSON to stdout.
//
//	make bench BENCHFLAGS='-rounds 40 -only run'
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/carob-containers/carob/test/rig"
)

func main() {
	rounds := flag.Int("rounds", 20, "measured rounds of each case")
	only := flag.String("only", "", "run the cases whose name matches this `expression`")
	flag.Parse()
	os.Exit(rig.Run([]rig.View{rig.CGroup2}, func(h *rig.Host) int {
		wanted, err := regexp.Compile(*only)
		if err == nil {
			err = bench(h, *rounds, wanted)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		return 0
	}))
}

func bench(h *rig.Host, rounds int, wanted *regexp.Regexp) error {
	carob, podman, crun, err := makeSides(h)
	if err != nil {
		return err
	}
	defer carob.close()
	defer podman.close()

	r := &results{Machine: machine(), Rounds: rounds}
	for _, c := range slices.Concat(timedCases(carob, podman, crun), memoryCases(h, carob, podman), crowdCases(h, carob, podman)) {
		if !wanted.MatchString(c.name) {
			continue
		}
		progress(c.name)
		figure, err := c.measure(rounds, func() error { return calm(carob, podman) })
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		figure.conclude()
		r.Figures = append(r.Figures, figure)
	}
	progress("")
	r.table(os.Stderr)
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// progress shows on a terminal what is being measured.
func progress(what string) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "\r\033[K%s", what)
	}
}
