package bundle

import (
	"slices"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// What a container may have at most when nobody says otherwise.
const (
	defaultNofile = 1 << 20
	defaultNproc  = 1 << 22
)

// addRlimits sets what was asked for, and what containers.conf says, open
// files and processes to what the host allows. "host" leaves every limit as
// carob has it.
func (g *generator) addRlimits() error {
	asked := map[string]bool{}
	for i, word := range slices.Concat(g.Spec.Resources.Ulimits, g.Spec.Resources.DefaultUlimits) {
		if word == "host" {
			return nil
		}
		l, err := spec.ParseUlimit(word)
		if err != nil {
			return err
		}
		if asked[l.Name] && i >= len(g.Spec.Resources.Ulimits) {
			continue
		}
		if l, err = g.fit(l, i >= len(g.Spec.Resources.Ulimits)); err != nil {
			return err
		}
		asked[l.Name] = true
		g.addRlimit(l)
	}
	if !asked["nofile"] {
		g.addDefaultRlimit("nofile", defaultNofile)
	}
	if !asked["nproc"] {
		g.addDefaultRlimit("nproc", defaultNproc)
	}
	return nil
}

func (g *generator) addRlimit(l spec.Ulimit) {
	g.oci.AddProcessRlimits("RLIMIT_"+strings.ToUpper(l.Name), l.Hard, l.Soft)
}

func (g *generator) addDefaultRlimit(name string, n uint64) {
	l := spec.Ulimit{Name: name, Soft: n, Hard: n}
	if have, known := g.Host.Rlimits[name]; known && g.cannotRaise() {
		l.Soft, l.Hard = min(n, have.Soft), min(n, have.Hard)
	}
	g.addRlimit(l)
}

// cannotRaise: only CAP_SYS_RESOURCE raises a hard limit, and it has to be the
// host's. Root in a virtual machine or a container may lack it.
func (g *generator) cannotRaise() bool {
	const sysResource = 24
	return g.Host.Rootless || g.Host.Capabilities != 0 && g.Host.Capabilities&(1<<sysResource) == 0
}

// fit keeps a limit within carob's own hard limit where that cannot be raised.
// A number that somebody has asked for and that is too high is an error.
// Lowered are defaults, and open files and processes without a limit (-1):
// that asks for as many as there are.
func (g *generator) fit(l spec.Ulimit, isDefault bool) (spec.Ulimit, error) {
	have, known := g.Host.Rlimits[l.Name]
	if !known || !g.cannotRaise() || l.Hard <= have.Hard {
		return l, nil
	}
	most := l.Hard == spec.Unlimited && (l.Name == "nofile" || l.Name == "nproc")
	if !isDefault && !most {
		return l, &RefusedError{hinted("raise it for the account in /etc/security/limits.conf, or use --ulimit host",
			"cannot raise --ulimit %s to %s: the account's hard limit is %s", l.Name, limitWord(l.Hard), limitWord(have.Hard))}
	}
	l.Soft, l.Hard = min(l.Soft, have.Hard), have.Hard
	return l, nil
}

func limitWord(n uint64) string {
	if n == spec.Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}
