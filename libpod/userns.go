package libpod

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
	"github.com/carob-containers/carob/pkg/userns"
)

// autoMinSize is how many ids --userns=auto gives at least.
const autoMinSize = 1024

// resolveUserns works out the id mapping of a container that wants a user
// namespace of its own.
func (rt *Runtime) resolveUserns(ctx context.Context, c *spec.Container, img *baseImage, plan *createPlan) error {
	i := &c.Isolation
	uids, gids, err := userns.Mapping()
	if err != nil {
		return err
	}
	m := mapper{ctx: ctx, rt: rt, c: c, img: img, plan: plan, uids: uids, gids: gids}
	kind, opts, _ := strings.Cut(i.User, ":")
	switch {
	case kind == "keep-id":
		err = m.keepID(opts)
	case kind == "nomap":
		err = m.noMap()
	case kind == "auto":
		err = m.auto(opts)
	case i.SubUID != "" || i.SubGID != "":
		err = m.subIDs(i.SubUID, i.SubGID)
	case len(i.UIDMap)+len(i.GIDMap) > 0:
		err = m.words(i.UIDMap, i.GIDMap)
	case kind == "private":
		m.set(whole(uids), whole(gids))
	case kind == "container" || kind == "ns":
		i.Mapping, err = rt.joinedMapping(ctx, kind, opts)
	}
	return err
}

// mapper makes the mapping of one container in a namespace that has uids and
// gids.
type mapper struct {
	ctx        context.Context
	rt         *Runtime
	c          *spec.Container
	img        *baseImage
	plan       *createPlan
	uids, gids []userns.IDMap
}

func (m *mapper) set(uids, gids []userns.IDMap) {
	m.c.Isolation.Mapping = &spec.IDMapping{UIDs: specMaps(userns.Cut(uids, m.uids)), GIDs: specMaps(userns.Cut(gids, m.gids))}
}

// keepID makes the user the same inside and outside, or the one that uid= and
// gid= name; size= limits how many ids there are.
func (m *mapper) keepID(opts string) error {
	if !userns.Rootless() {
		return errors.New("cannot use --userns=keep-id: it is for unprivileged users, and you are root")
	}
	ids := map[string]uint32{"uid": uint32(userns.RealUID()), "gid": uint32(userns.RealGID()), "size": 0}
	for _, o := range splitOptions(opts) {
		name, value, _ := strings.Cut(o, "=")
		n, err := strconv.ParseUint(value, 10, 32)
		if _, known := ids[name]; !known || err != nil {
			return fmt.Errorf("cannot use --userns=keep-id option %q: want uid=N, gid=N or size=N", o)
		}
		ids[name] = uint32(n)
	}
	m.set(userns.KeepID(ids["uid"], ids["size"], m.uids), userns.KeepID(ids["gid"], ids["size"], m.gids))
	if m.c.Process.User == "" {
		m.c.Process.User = fmt.Sprintf("%d:%d", ids["uid"], ids["gid"])
	}
	return nil
}

func (m *mapper) noMap() error {
	if !userns.Rootless() {
		return errors.New("cannot use --userns=nomap: it is for unprivileged users, and you are root")
	}
	uids, err := userns.NoMap(m.uids)
	if err != nil {
		return err
	}
	gids, err := userns.NoMap(m.gids)
	if err != nil {
		return err
	}
	m.set(uids, gids)
	return nil
}

func (m *mapper) words(uidWords, gidWords []string) error {
	uids, gids, err := userns.ParseMaps(userns.MapWords{
		UIDs: uidWords, GIDs: gidWords, NSUIDs: m.uids, NSGIDs: m.gids, Rootless: userns.Rootless(),
	})
	if err != nil {
		return err
	}
	m.set(uids, gids)
	return nil
}

// subIDs maps the ranges that somebody has in /etc/subuid and /etc/subgid.
func (m *mapper) subIDs(uidName, gidName string) error {
	uidName, gidName = firstOf(uidName, gidName), firstOf(gidName, uidName)
	uidRanges, _, err := userns.SubIDs(uidName)
	if err != nil {
		return err
	}
	_, gidRanges, err := userns.SubIDs(gidName)
	if err != nil {
		return err
	}
	if len(uidRanges) == 0 {
		return fmt.Errorf("cannot use --subuidname %s: it has no range in /etc/subuid", uidName)
	}
	if len(gidRanges) == 0 {
		return fmt.Errorf("cannot use --subgidname %s: it has no range in /etc/subgid", gidName)
	}
	return m.words(hostWords(uidRanges), hostWords(gidRanges))
}

// hostWords writes ranges of the host as --uidmap has them.
func hostWords(ranges []userns.Range) []string {
	var words []string
	next := uint64(0)
	for _, r := range ranges {
		words = append(words, fmt.Sprintf("%d:@%d:%d", next, r.Start, r.Size))
		next += uint64(r.Size)
	}
	return words
}

// auto gives the container ids that no other container with --userns=auto
// has. Until it is in the database, nobody else may choose.
func (m *mapper) auto(opts string) error {
	var size uint32
	var fixedUIDs, fixedGIDs []string
	for _, o := range splitOptions(opts) {
		name, value, _ := strings.Cut(o, "=")
		n, err := strconv.ParseUint(value, 10, 32)
		switch {
		case name == "size" && err == nil && n > 0:
			size = uint32(n)
		case name == "uidmapping":
			fixedUIDs = append(fixedUIDs, value)
		case name == "gidmapping":
			fixedGIDs = append(fixedGIDs, value)
		default:
			return fmt.Errorf("cannot use --userns=auto option %q: want size=N, uidmapping=C:H:N or gidmapping=C:H:N", o)
		}
	}
	if size == 0 {
		var err error
		if size, err = m.autoSize(); err != nil {
			return err
		}
	}
	lock, err := store.Acquire(m.ctx, filepath.Join(m.rt.dirs.State, "auto.lock"), true)
	if err != nil {
		return err
	}
	m.plan.ids = lock
	takenUIDs, takenGIDs, err := m.taken()
	if err != nil {
		return err
	}
	freeUIDs, freeGIDs, err := m.forAuto()
	if err != nil {
		return err
	}
	uids, err := autoMap(size, takenUIDs, fixedUIDs, m.uids, freeUIDs)
	if err != nil {
		return err
	}
	gids, err := autoMap(size, takenGIDs, fixedGIDs, m.gids, freeGIDs)
	if err != nil {
		return err
	}
	m.set(uids, gids)
	return nil
}

// autoUser is in whose name root's ids for --userns=auto stand in /etc/subuid
// and /etc/subgid: every other id may be somebody's.
const autoUser = "containers"

// forAuto are the ids that may be given to containers: an unprivileged user's
// own, and for root autoUser's.
func (m *mapper) forAuto() (uids, gids []userns.IDMap, err error) {
	if userns.Rootless() {
		return m.uids, m.gids, nil
	}
	uidRanges, gidRanges, err := userns.SubIDs(autoUser)
	if err != nil {
		return nil, nil, err
	}
	if len(uidRanges) == 0 || len(gidRanges) == 0 {
		return nil, nil, WithHint(fmt.Errorf("cannot use --userns=auto: no ids are set aside for it"),
			"put a line 'containers:2147483647:2147483648' into /etc/subuid and /etc/subgid, or another range that is free")
	}
	return identity(uidRanges), identity(gidRanges), nil
}

func identity(ranges []userns.Range) []userns.IDMap {
	var maps []userns.IDMap
	for _, r := range ranges {
		maps = append(maps, userns.IDMap{Container: r.Start, Host: r.Start, Size: r.Size})
	}
	return maps
}

// autoMap takes ids from free; those the user has fixed are any of ns.
func autoMap(size uint32, taken []userns.IDMap, fixed []string, ns, free []userns.IDMap) ([]userns.IDMap, error) {
	var lines []userns.IDMap
	if len(fixed) > 0 {
		var err error
		if lines, _, err = userns.ParseMaps(userns.MapWords{UIDs: fixed, NSUIDs: ns, NSGIDs: ns}); err != nil {
			return nil, err
		}
	}
	return userns.Auto(size, taken, lines, free)
}

// autoSize is enough for every file of the image, and for a numeric --user.
func (m *mapper) autoSize() (uint32, error) {
	size := uint32(autoMinSize)
	if m.img != nil {
		highest, err := m.img.HighestID()
		if err != nil {
			return 0, err
		}
		size = max(size, highest+1)
	}
	user, _, _ := strings.Cut(m.c.Process.User, ":")
	if n, err := strconv.ParseUint(user, 10, 32); err == nil {
		size = max(size, uint32(n)+1)
	}
	return size, nil
}

// taken are the ids of all other containers with --userns=auto.
func (m *mapper) taken() (uids, gids []userns.IDMap, err error) {
	list, err := m.rt.db.Containers(m.ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range list {
		if other := c.Isolation.Mapping; other != nil && strings.HasPrefix(c.Isolation.User, "auto") {
			uids, gids = append(uids, nsMaps(other.UIDs)...), append(gids, nsMaps(other.GIDs)...)
		}
	}
	return uids, gids, nil
}

func nsMaps(maps []spec.IDMap) []userns.IDMap {
	out := make([]userns.IDMap, len(maps))
	for i, m := range maps {
		out[i] = userns.IDMap(m)
	}
	return out
}

func splitOptions(opts string) []string {
	if opts == "" {
		return nil
	}
	return strings.Split(opts, ",")
}
