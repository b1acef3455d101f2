package userns

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// usual is the namespace of a user with one range of 65536 ids.
func usual() []IDMap { return []IDMap{{0, 1000, 1}, {1, 100000, 65536}} }

func show(maps []IDMap, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var words []string
	for _, m := range maps {
		words = append(words, fmt.Sprintf("%d:%d:%d", m.Container, m.Host, m.Size))
	}
	return strings.Join(words, " ")
}

func TestCorner38KeepIDHasThreeRanges(t *testing.T) {
	for _, c := range []struct {
		name     string
		id, size uint32
		ns       []IDMap
		want     string
	}{
		{"an ordinary user", 1000, 0, usual(), "0:1:1000 1000:0:1 1001:1001:64536"},
		{"root inside", 0, 0, usual(), "0:0:1 1:1:65536"},
		{"above the range", 70000, 0, usual(), "0:1:65536 70000:0:1"},
		{"the last id of the range", 65536, 0, usual(), "0:1:65536 65536:0:1"},
		{"a size", 1000, 2000, usual(), "0:1:1000 1000:0:1 1001:1001:999"},
		{"a size that ends below the user", 1000, 10, usual(), "0:1:9 1000:0:1"},
		{"a size beyond what there is", 5, 1 << 20, usual(), "0:1:5 5:0:1 6:6:65531"},
		{"only the user is mapped", 1000, 0, []IDMap{{0, 1000, 1}}, "1000:0:1"},
		{"several ranges", 2, 0, []IDMap{{0, 1000, 1}, {1, 5000, 3}, {4, 9000, 3}}, "0:1:2 2:0:1 3:3:4"},
	} {
		if got := show(KeepID(c.id, c.size, c.ns), nil); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCorner38NoMapLeavesTheUserOut(t *testing.T) {
	if got, want := show(NoMap(usual())), "0:1:65536"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := NoMap([]IDMap{{0, 1000, 1}}); err == nil {
		t.Error("no error where the user has no other ids")
	}
}

func TestCorner38AutoTakesWhatNobodyHas(t *testing.T) {
	for _, c := range []struct {
		name         string
		size         uint32
		taken, fixed []IDMap
		ns           []IDMap
		want         string
	}{
		{"the first", 1024, nil, nil, usual(), "0:1:1024"},
		{"beside another", 1024, []IDMap{{0, 1, 1024}}, nil, usual(), "0:1025:1024"},
		{"in the hole a removed one left", 100, []IDMap{{0, 1, 50}, {0, 151, 1000}}, nil, usual(), "0:51:100"},
		{"in pieces", 100, []IDMap{{0, 41, 60000}}, nil, usual(), "0:1:40 40:60041:60"},
		{"none left", 100, []IDMap{{0, 1, 65500}}, nil, usual(), "error: cannot find 100 unused ids for --userns=auto: 64 are missing"},
		{"the user's own line counts", 10, nil, []IDMap{{5, 0, 1}}, usual(), "0:1:5 5:0:1 6:6:4"},
		{"a line beyond the size", 10, nil, []IDMap{{5000, 3, 2}}, usual(), "0:1:2 2:5:8 5000:3:2"},
		{"root has nearly all ids", 65536, nil, nil, []IDMap{{0, 0, 1<<32 - 1}}, "0:1:65536"},
	} {
		if got := show(Auto(c.size, c.taken, c.fixed, c.ns)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCorner38UIDMapWords(t *testing.T) {
	pieces := []IDMap{{0, 1000, 1}, {1, 5000, 10}, {11, 4000, 10}}
	for _, c := range []struct {
		uid, gid string // words, separated by spaces
		ns       []IDMap
		root     bool
		uids     string
		gids     string // "": the same
	}{
		{uid: "0:1:10", ns: usual(), uids: "0:1:10"},
		{uid: "0:1:10 10:0", ns: usual(), uids: "0:1:10 10:0:1"},
		{uid: "0:1:10 10:11:5", ns: usual(), uids: "0:1:15"}, // seamless lines become one
		{uid: "0:1:10", gid: "0:5:10", ns: usual(), uids: "0:1:10", gids: "0:5:10"},
		{gid: "0:5:10", ns: usual(), uids: "0:5:10"},
		{uid: "u0:1:10", ns: usual(), uids: "0:1:10", gids: "0:0:65537"},
		{uid: "u:0:1:10 g:0:3:7", ns: usual(), uids: "0:1:10", gids: "0:3:7"},
		// @ looks a host id up in the namespace's mapping, piece by piece.
		{uid: "0:@100000:2", ns: usual(), uids: "0:1:2"},
		{uid: "100000:@1000", ns: usual(), uids: "100000:0:1"},
		{uid: "0:@4998:4", ns: pieces, uids: "error: cannot map user ids: host ids 4998 to 5001 are not all yours"},
		{uid: "0:@4008:2 2:@5000:2", ns: pieces, uids: "0:19:2 2:1:2"},
		{uid: "0:@200000:2", ns: usual(), uids: "error: cannot map user ids: host ids 200000 to 200001 are not all yours"},
		// + takes from earlier words; alone, a user's ids fill the rest.
		{uid: "0:0:65000 +100000:1:1", ns: usual(), uids: "0:0:1 2:2:64998 100000:1:1"},
		{uid: "0:0:65000 +100000:1:1 1:65001:1", ns: usual(), uids: "0:0:1 1:65001:1 2:2:64998 100000:1:1"},
		{uid: "+100000:1:1", ns: usual(), uids: "0:0:1 1:2:65535 100000:1:1"},
		{uid: "+5:5:1", ns: usual(), uids: "0:0:65537"},
		{uid: "+1:3:2", ns: usual(), uids: "0:0:1 1:3:2 3:1:2 5:5:65532"},
		{uid: "+g102000:@100000", ns: usual(), uids: "0:0:65537", gids: "0:0:1 1:2:65535 102000:1:1"},
		{uid: "+100000:1:1", ns: []IDMap{{0, 0, 1<<32 - 1}}, root: true, uids: "100000:1:1"},
		// Mistakes.
		{uid: "0:1:10 5:20:10", ns: usual(), uids: `error: cannot map user ids: "5:20:10": some of its ids are mapped already by 0:1:10`},
		{uid: "0:1:10 20:5:10", ns: usual(), uids: `error: cannot map user ids: "20:5:10": some of its ids are mapped already by 0:1:10`},
		{uid: "0:1", gid: "x", ns: usual(), uids: `error: cannot map group ids: "x" is not [FLAGS:]CONTAINER:FROM[:AMOUNT]`},
		{uid: "0:1:0", ns: usual(), uids: `error: cannot map user ids: "0:1:0" has an amount of ids there cannot be`},
		{uid: "0", ns: usual(), uids: `error: cannot map user ids: "0" is not [FLAGS:]CONTAINER:FROM[:AMOUNT]`},
		{uid: "-1:0:1", ns: usual(), uids: `error: cannot map user ids: "-1:0:1" is not [FLAGS:]CONTAINER:FROM[:AMOUNT]`},
		{uid: "0:4294967295:2", ns: usual(), uids: `error: cannot map user ids: "0:4294967295:2" has an amount of ids there cannot be`},
		{uid: "0:1:70000", ns: usual(), uids: `error: cannot map user ids: 0:1:70000 needs id 65537, and there are 65537`},
	} {
		uids, gids, err := ParseMaps(MapWords{
			UIDs: strings.Fields(c.uid), GIDs: strings.Fields(c.gid), NSUIDs: c.ns, NSGIDs: c.ns, Rootless: !c.root,
		})
		if got := show(uids, err); got != c.uids {
			t.Errorf("--uidmap %q --gidmap %q: got uids %s, want %s", c.uid, c.gid, got, c.uids)
		}
		if want := c.gids; want != "" && show(gids, err) != want {
			t.Errorf("--uidmap %q --gidmap %q: got gids %s, want %s", c.uid, c.gid, show(gids, err), want)
		} else if want == "" && show(gids, err) != c.uids {
			t.Errorf("--uidmap %q --gidmap %q: got gids %s, want the same as uids, %s", c.uid, c.gid, show(gids, err), c.uids)
		}
	}
}

// FuzzParseMaps: whatever is typed, a mapping that comes out has no id twice
// and none that the namespace does not have.
func FuzzParseMaps(f *testing.F) {
	for _, seed := range []string{"0:1:10", "+100000:1:1", "0:@100000:2 +5:0:7", "ug0:0:1", "+u:1:2:3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, words string) {
		uids, _, err := ParseMaps(MapWords{UIDs: strings.Fields(words), NSUIDs: usual(), NSGIDs: usual(), Rootless: true})
		if err != nil {
			return
		}
		for i, a := range uids {
			if a.Size == 0 || a.hostEnd() > 65537 {
				t.Fatalf("%q: bad line in %s", words, show(uids, nil))
			}
			for _, b := range uids[:i] {
				if a.Host < uint32(b.hostEnd()) && b.Host < uint32(a.hostEnd()) ||
					uint64(a.Container) < b.containerEnd() && uint64(b.Container) < a.containerEnd() {
					t.Fatalf("%q: ids twice in %s", words, show(uids, nil))
				}
			}
		}
	})
}

func TestCorner38CutAtTheSeams(t *testing.T) {
	ns := []IDMap{{0, 1003, 1}, {1, 100000, 10}, {11, 300000, 10}}
	for _, c := range []struct{ in, want []IDMap }{
		{[]IDMap{{0, 0, 21}}, []IDMap{{0, 0, 1}, {1, 1, 10}, {11, 11, 10}}},
		{[]IDMap{{0, 1, 5}, {5, 0, 1}, {6, 6, 15}}, []IDMap{{0, 1, 5}, {5, 0, 1}, {6, 6, 5}, {11, 11, 10}}},
		{[]IDMap{{0, 2, 3}}, []IDMap{{0, 2, 3}}},
		{[]IDMap{{0, 15, 99}}, []IDMap{{0, 15, 6}, {6, 21, 93}}}, // the kernel says what is not there
		{nil, nil},
	} {
		if got := Cut(c.in, ns); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.in, got, c.want)
		}
	}
	root := []IDMap{{0, 0, 1<<32 - 1}}
	if got := Cut([]IDMap{{0, 100000, 65536}}, root); len(got) != 1 {
		t.Errorf("root: %v", got)
	}
}
