package quadlet

import "github.com/carob-containers/carob/pkg/unitfile"

// need is a unit that another cannot run without, and the line that says so.
type need struct {
	unit  *Unit
	entry unitfile.Entry
}

// circles are the mistakes of units that need themselves, by themselves or by
// way of others: systemd would start none of them. All units are converted for
// it, as only that tells what they need; whatever else is wrong with them is
// told of elsewhere.
func (s *Set) circles(o Options) map[*Unit]error {
	needs := map[*Unit][]need{}
	for _, u := range s.Units {
		c := &conversion{Unit: u, set: s, options: o}
		_, _ = c.service()
		needs[u] = c.needs
	}
	mistakes := map[*Unit]error{}
	for _, u := range s.Units {
		for _, n := range needs[u] {
			switch {
			case n.unit == u:
				mistakes[u] = n.entry.Fail("%s: the unit needs itself", n.entry.Key)
			case reaches(needs, n.unit, u, map[*Unit]bool{}):
				mistakes[u] = n.entry.Fail("%s: %s needs %s in turn", n.entry.Key, n.unit.Name, u.Name)
			default:
				continue
			}
			break
		}
	}
	return mistakes
}

// reaches tells whether one unit needs another, by way of those not seen yet.
func reaches(needs map[*Unit][]need, from, to *Unit, seen map[*Unit]bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	for _, n := range needs[from] {
		if !seen[n.unit] && reaches(needs, n.unit, to, seen) {
			return true
		}
	}
	return false
}
