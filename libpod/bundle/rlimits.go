package bundle

import (
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// What a container may have at most when nobody says otherwise.
const (
	defaultNofile = 1 << 20
	defaultNproc  = 1 << 22
)

// addRlimits sets what was asked for, and open files and processes to what
// the host allows. "host" leaves every limit as carob has it.
func (g *generator) addRlimits() error {
	asked := map[string]bool{}
	for _, word := range g.Spec.Resources.Ulimits {
		if word == "host" {
			return nil
		}
		l, err := spec.ParseUlimit(word)
		if err != nil {
			return err
		}
		if l, err = g.clamp(l); err != nil {
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

// clamp keeps a limit within carob's own hard limit where that cannot be
// raised. Open files and processes are lowered: compose files and
// scripts ask for "as many as possible" with numbers that suit root. Any
// other limit too high is an error.
func (g *generator) clamp(l spec.Ulimit) (spec.Ulimit, error) {
	have, known := g.Host.Rlimits[l.Name]
	if !known || !g.cannotRaise() || l.Hard <= have.Hard {
		return l, nil
	}
	if l.Name != "nofile" && l.Name != "nproc" {
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
