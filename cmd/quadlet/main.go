// Command quadlet is a generator of systemd's (systemd.generator(7)): at boot
// and at every daemon-reload it makes services of the units that describe
// containers, pods and what they need.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/pkg/quadlet"
)

// version is set by the linker.
var version = "0.1.0-dev"

func main() {
	os.Exit(run(os.Args, os.Stdout))
}

// options are podman's flags.
type options struct {
	user, dryRun, noKmsg, verbose, version bool
	output                                 string // systemd's directory for ordinary generated units
}

func run(argv []string, out io.Writer) int {
	o, code, ok := parseFlags(argv)
	if !ok {
		return code
	}
	if o.version {
		fmt.Fprintln(out, version)
		return 0
	}
	log := newLog(o)
	if o.output == "" && !o.dryRun {
		log.fail("missing output directory argument: systemd passes one; -dryrun prints what would be written")
		return 1
	}
	p := quadlet.Place{User: o.user, UID: os.Getuid(), Getenv: os.Getenv}
	log.debug("looking for units in " + strings.Join(p.SearchPath(), ", "))
	set, err := quadlet.Load(p)
	failed := log.failAll(err)
	for _, w := range set.Warnings {
		log.warn(w)
	}
	if len(set.Units) == 0 {
		log.debug("no units were found")
	}
	result := set.Generate(quadlet.Options{User: o.user, Carob: carobPath()})
	for _, w := range result.Warnings {
		log.warn(w)
	}
	failed = log.failAll(result.Err) || failed
	if o.dryRun {
		for _, s := range result.Services {
			fmt.Fprintf(out, "---%s---\n%s\n", s.Name, s.Content())
		}
	} else {
		failed = log.failAll(result.Write(o.output)) || failed
	}
	if failed {
		return 1
	}
	return 0
}

// parseFlags reads podman's flags. As a generator the program has none: then
// its name, that of a link, tells which service manager it is for.
func parseFlags(argv []string) (o options, code int, ok bool) {
	f := flag.NewFlagSet("quadlet", flag.ContinueOnError)
	f.BoolVar(&o.user, "user", strings.Contains(filepath.Base(argv[0]), "user"), "for the service manager of an ordinary user")
	f.BoolVar(&o.dryRun, "dryrun", false, "print the services and what is wrong with units, write nothing")
	f.BoolVar(&o.noKmsg, "no-kmsg-log", false, "messages go to standard error, not to the kernel's log")
	f.BoolVar(&o.verbose, "v", false, "tell more")
	f.BoolVar(&o.version, "version", false, "print the version")
	switch err := f.Parse(argv[1:]); {
	case err == flag.ErrHelp:
		return o, 0, false
	case err != nil:
		return o, 1, false
	}
	o.output = f.Arg(0)
	return o, 0, true
}

// carobPath is the carob that services run: what CAROB or PODMAN names, or the
// one that was installed or built together with this program.
func carobPath() string {
	for _, name := range []string{"CAROB", "PODMAN"} {
		if path := os.Getenv(name); path != "" {
			return path
		}
	}
	self, err := os.Executable()
	if err != nil {
		return "/usr/bin/carob"
	}
	return carobBeside(self)
}

func carobBeside(self string) string {
	dir := filepath.Dir(self)
	if prefix, ok := strings.CutSuffix(dir, "/libexec/carob"); ok {
		return prefix + "/bin/carob"
	}
	return filepath.Join(dir, "carob")
}
