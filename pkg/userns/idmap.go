package userns

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// IDMap is one line of an id mapping: Size ids from Container on, inside, are
// those from Host on in the namespace outside. For a container's mapping,
// outside is the namespace carob runs in: for an unprivileged user the ids
// that podman-run(1) calls intermediate, 0 being the user.
type IDMap struct {
	Container, Host, Size uint32
}

// end is the first id behind the line, on either side.
func (m IDMap) containerEnd() uint64 { return uint64(m.Container) + uint64(m.Size) }
func (m IDMap) hostEnd() uint64      { return uint64(m.Host) + uint64(m.Size) }

// total is how many ids a namespace has, counted from 0 on.
func total(ns []IDMap) uint32 {
	var end uint64
	for _, m := range ns {
		end = max(end, m.containerEnd())
	}
	return uint32(min(end, 1<<32-1))
}

// KeepID maps the user to id inside and the user's other ids around it, for
// --userns=keep-id. ns is the mapping of the namespace carob runs in (a user's:
// 0 is the user). size is how many ids there shall be in all, 0 for all there
// are.
func KeepID(id, size uint32, ns []IDMap) []IDMap {
	n := total(ns)
	if size > 0 {
		n = min(n, size)
	}
	if n == 0 {
		return nil
	}
	others := n - 1
	below := min(id, others)
	maps := []IDMap{}
	if below > 0 {
		maps = append(maps, IDMap{Container: 0, Host: 1, Size: below})
	}
	maps = append(maps, IDMap{Container: id, Host: 0, Size: 1})
	if others > below {
		maps = append(maps, IDMap{Container: id + 1, Host: below + 1, Size: others - below})
	}
	return maps
}

// NoMap maps everything but the user, for --userns=nomap. It is an error where
// the user has no other ids.
func NoMap(ns []IDMap) ([]IDMap, error) {
	n := total(ns)
	if n < 2 {
		return nil, &hintError{
			err:  fmt.Errorf("cannot use --userns=nomap: no ids but your own are mapped"),
			hint: "give yourself a range in /etc/subuid and /etc/subgid, see subuid(5); then: carob system migrate",
		}
	}
	return []IDMap{{Container: 0, Host: 1, Size: n - 1}}, nil
}

// Auto gives a container size ids that no other has, for --userns=auto: those
// in taken (the mappings of other containers) and id 0 of the namespace, the
// user or root, are left alone. fixed are lines the user wants as they are
// (uidmapping= and gidmapping=); they count among size.
func Auto(size uint32, taken, fixed, ns []IDMap) ([]IDMap, error) {
	free := hostSpans(ns)
	free = subtract(free, span{0, 1})
	for _, m := range append(slices.Clone(taken), fixed...) {
		free = subtract(free, span{uint64(m.Host), m.hostEnd()})
	}
	wanted := []span{{0, uint64(size)}}
	for _, m := range fixed {
		wanted = subtract(wanted, span{uint64(m.Container), m.containerEnd()})
	}
	maps, missing := pair(wanted, free)
	if missing > 0 {
		return nil, fmt.Errorf("cannot find %d unused ids for --userns=auto: %d are missing", size, missing)
	}
	return merge(append(maps, fixed...)), nil
}

// span is a row of ids, end not included.
type span struct{ start, end uint64 }

// hostSpans are the ids that exist in a namespace, as seen from inside it.
func hostSpans(ns []IDMap) []span {
	var spans []span
	for _, m := range ns {
		spans = append(spans, span{uint64(m.Container), m.containerEnd()})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return spans
}

func subtract(spans []span, cut span) []span {
	var left []span
	for _, s := range spans {
		if head := (span{s.start, min(s.end, cut.start)}); head.start < head.end {
			left = append(left, head)
		}
		if tail := (span{max(s.start, cut.end), s.end}); tail.start < tail.end {
			left = append(left, tail)
		}
	}
	return left
}

// pair gives the inner ids outer ones, in order, and says for how many there
// were none.
func pair(inner, outer []span) (maps []IDMap, missing uint64) {
	for len(inner) > 0 {
		want := inner[0]
		if len(outer) == 0 {
			missing += want.end - want.start
			inner = inner[1:]
			continue
		}
		have := outer[0]
		n := min(want.end-want.start, have.end-have.start)
		maps = append(maps, IDMap{uint32(want.start), uint32(have.start), uint32(n)})
		if inner[0].start += n; inner[0].start == want.end {
			inner = inner[1:]
		}
		if outer[0].start += n; outer[0].start == have.end {
			outer = outer[1:]
		}
	}
	return maps, missing
}

// merge sorts a mapping and makes one line of those that go on seamlessly.
func merge(maps []IDMap) []IDMap {
	slices.SortFunc(maps, func(a, b IDMap) int { return cmp.Compare(a.Container, b.Container) })
	var out []IDMap
	for _, m := range maps {
		if n := len(out); n > 0 && out[n-1].containerEnd() == uint64(m.Container) && out[n-1].hostEnd() == uint64(m.Host) {
			out[n-1].Size += m.Size
			continue
		}
		out = append(out, m)
	}
	return out
}

// Cut divides a mapping's lines where those of ns, the namespace it is made
// in, meet. The kernel takes a line only whose ids outside lie in one line
// there (user_namespaces(7)), and a user's own id and every range of
// /etc/subuid make a line each.
func Cut(maps, ns []IDMap) []IDMap {
	var out []IDMap
	for _, m := range maps {
		for _, s := range hostSpans(ns) {
			if n := s.end - uint64(m.Host); uint64(m.Host) >= s.start && uint64(m.Host) < s.end && n < uint64(m.Size) {
				out = append(out, IDMap{m.Container, m.Host, uint32(n)})
				m = IDMap{m.Container + uint32(n), m.Host + uint32(n), m.Size - uint32(n)}
			}
		}
		out = append(out, m)
	}
	return out
}

// MapWords are what --uidmap and --gidmap are turned into a mapping with.
type MapWords struct {
	UIDs, GIDs []string // [FLAGS:]CONTAINER:FROM[:AMOUNT], as typed
	// NSUIDs and NSGIDs are the mapping of the namespace carob runs in.
	NSUIDs, NSGIDs []IDMap
	// Rootless: ids left over fill the gaps of a mapping that only extends.
	Rootless bool
}

// ParseMaps makes a mapping of --uidmap and --gidmap, as podman-run(1) has
// them. FROM with an @ is an id of the host, looked up in the namespace's
// mapping. Flags: + takes ids away from earlier words instead of clashing with
// them; u and g keep a word from counting for both when only one of the two
// options is given.
func ParseMaps(w MapWords) (uids, gids []IDMap, err error) {
	uidWords, gidWords := w.UIDs, w.GIDs
	if len(uidWords) == 0 {
		uidWords = w.GIDs
	}
	if len(gidWords) == 0 {
		gidWords = w.UIDs
	}
	if uids, err = parseMap(uidWords, 'u', w.NSUIDs, w.Rootless); err != nil {
		return nil, nil, fmt.Errorf("cannot map user ids: %w", err)
	}
	if gids, err = parseMap(gidWords, 'g', w.NSGIDs, w.Rootless); err != nil {
		return nil, nil, fmt.Errorf("cannot map group ids: %w", err)
	}
	return uids, gids, nil
}

// mapWord is one parsed word.
type mapWord struct {
	lines    []IDMap // several where an @ range lies in pieces
	extend   bool
	audience string // "u", "g" or "ug"
}

// parseMap makes one of the two mappings. When the first word already extends,
// there is nothing before it but what the user has left over.
func parseMap(words []string, which byte, ns []IDMap, rootless bool) ([]IDMap, error) {
	var maps []IDMap
	fill, first := false, true
	for _, text := range words {
		w, err := parseMapWord(text, ns)
		if err != nil {
			return nil, err
		}
		if strings.IndexByte(w.audience, which) < 0 {
			continue
		}
		fill, first = fill || first && w.extend && rootless, false
		for _, line := range w.lines {
			if maps, err = insert(maps, line, w.extend); err != nil {
				return nil, fmt.Errorf("%q: %w", text, err)
			}
		}
	}
	if fill || first { // first: every word was for the other kind of id
		maps = fillGaps(maps, ns)
	}
	return merge(maps), checkInside(maps, ns)
}

func parseMapWord(text string, ns []IDMap) (mapWord, error) {
	w := mapWord{audience: "ug"}
	bad := fmt.Errorf("%q is not [FLAGS:]CONTAINER:FROM[:AMOUNT]", text)
	f := strings.Split(text, ":")
	if flags := strings.TrimRight(f[0], "0123456789"); flags != "" {
		// +100000:1:1 has its flags before the number, ug:0:1 in a field.
		if flags == f[0] {
			f = f[1:]
		} else {
			f[0] = f[0][len(flags):]
		}
		if !w.setFlags(flags) {
			return w, bad
		}
	}
	if len(f) == 2 {
		f = append(f, "1")
	}
	if len(f) != 3 {
		return w, bad
	}
	from, onHost := strings.CutPrefix(f[1], "@")
	var n [3]uint64
	for i, s := range []string{f[0], from, f[2]} {
		var err error
		if n[i], err = strconv.ParseUint(s, 10, 32); err != nil {
			return w, bad
		}
	}
	if n[2] == 0 || n[0]+n[2] > 1<<32-1 || n[1]+n[2] > 1<<32-1 {
		return w, fmt.Errorf("%q has an amount of ids there cannot be", text)
	}
	line := IDMap{uint32(n[0]), uint32(n[1]), uint32(n[2])}
	w.lines = []IDMap{line}
	if onHost {
		var err error
		w.lines, err = fromHost(line, ns)
		return w, err
	}
	return w, nil
}

func (w *mapWord) setFlags(flags string) bool {
	only := ""
	for _, c := range flags {
		switch c {
		case '+':
			w.extend = true
		case 'u', 'g':
			only += string(c)
		default:
			return false
		}
	}
	if only != "" {
		w.audience = only
	}
	return true
}

// fromHost finds the ids of the namespace that stand for ids of the host.
func fromHost(line IDMap, ns []IDMap) ([]IDMap, error) {
	var out []IDMap
	found := uint32(0)
	for _, m := range ns {
		start := max(uint64(line.Host), uint64(m.Host))
		end := min(line.hostEnd(), m.hostEnd())
		if start >= end {
			continue
		}
		out = append(out, IDMap{
			Container: line.Container + uint32(start-uint64(line.Host)),
			Host:      m.Container + uint32(start-uint64(m.Host)),
			Size:      uint32(end - start),
		})
		found += uint32(end - start)
	}
	if found != line.Size {
		return nil, &hintError{
			err:  fmt.Errorf("host ids %d to %d are not all yours", line.Host, line.hostEnd()-1),
			hint: "see the ranges in /etc/subuid and /etc/subgid",
		}
	}
	return out, nil
}

// insert adds a line. Ids it shares with an earlier line, on either side, are
// a mistake, or with extend taken away from the earlier one.
func insert(maps []IDMap, line IDMap, extend bool) ([]IDMap, error) {
	var out []IDMap
	for _, m := range maps {
		if m.containerEnd() <= uint64(line.Container) || line.containerEnd() <= uint64(m.Container) {
			if m.hostEnd() <= uint64(line.Host) || line.hostEnd() <= uint64(m.Host) {
				out = append(out, m)
				continue
			}
		}
		if !extend {
			return nil, fmt.Errorf("some of its ids are mapped already by %d:%d:%d", m.Container, m.Host, m.Size)
		}
		out = append(out, without(m, line)...)
	}
	return append(out, line), nil
}

// without is what is left of m when line's ids are taken away on both sides.
func without(m, line IDMap) []IDMap {
	offsets := subtract([]span{{0, uint64(m.Size)}}, shift(uint64(line.Container), line.containerEnd(), uint64(m.Container)))
	offsets = subtract(offsets, shift(uint64(line.Host), line.hostEnd(), uint64(m.Host)))
	var out []IDMap
	for _, o := range offsets {
		out = append(out, IDMap{m.Container + uint32(o.start), m.Host + uint32(o.start), uint32(o.end - o.start)})
	}
	return out
}

// shift counts a row of ids from base on; what lies before base is cut off.
func shift(start, end, base uint64) span {
	return span{max(start, base) - base, max(end, base) - base}
}

// fillGaps gives the container ids from 0 on that have no meaning yet the ids
// of the namespace that are left over.
func fillGaps(maps, ns []IDMap) []IDMap {
	left := hostSpans(ns)
	var n uint64
	for _, m := range maps {
		left = subtract(left, span{uint64(m.Host), m.hostEnd()})
	}
	for _, s := range left {
		n += s.end - s.start
	}
	inner := []span{{0, 1<<32 - 1}}
	for _, m := range maps {
		inner = subtract(inner, span{uint64(m.Container), m.containerEnd()})
	}
	filled, _ := pair(firstOf(inner, n), left)
	return append(maps, filled...)
}

// firstOf cuts spans to n ids.
func firstOf(spans []span, n uint64) []span {
	var out []span
	for _, s := range spans {
		s.end = min(s.end, s.start+n)
		if s.start < s.end {
			out = append(out, s)
			n -= s.end - s.start
		}
	}
	return out
}

// checkInside tells of ids that the namespace does not have: newuidmap's own
// complaint would not say which.
func checkInside(maps, ns []IDMap) error {
	if len(ns) == 0 {
		return nil
	}
	for _, m := range maps {
		rest := []span{{uint64(m.Host), m.hostEnd()}}
		for _, s := range hostSpans(ns) {
			rest = subtract(rest, s)
		}
		if len(rest) > 0 {
			return &hintError{
				err:  fmt.Errorf("%d:%d:%d needs id %d, and there are %d", m.Container, m.Host, m.Size, rest[0].start, total(ns)),
				hint: "carob unshare cat /proc/self/uid_map shows the ids you have; more come from /etc/subuid and /etc/subgid",
			}
		}
	}
	return nil
}
