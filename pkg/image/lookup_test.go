package image

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCorner49ImageNames(t *testing.T) {
	s := testStore(t, "vfs")
	local := addImage(t, s, "local", "localhost/tool:latest", "localhost/only:1")
	alias := addImage(t, s, "alias", "alias.example/deep/tool:2")
	quay := addImage(t, s, "quay", "quay.example/app:latest")
	hub := addImage(t, s, "hub", "docker.io/library/app:latest", "docker.io/library/base:latest")
	far := addImage(t, s, "far", "far.example/team/unique:latest")
	none := addImage(t, s, "none")

	for name, want := range map[string]*Image{
		"localhost/tool":                   local,
		"tool":                             local, // the alias's tag latest is not here
		"tool:2":                           alias, // the alias comes first
		"only:1":                           local,
		"app":                              quay, // a search registry comes before Docker Hub
		"docker.io/app":                    hub,
		"base":                             hub,
		"library/base":                     hub,
		"unique":                           far, // by the end of its name
		"team/unique":                      far,
		none.ID:                            none,
		none.ID[:12]:                       none,
		"sha256:" + none.ID:                none,
		hub.Digest.String():                hub,
		"base@" + string(hub.Digest):       hub,
		"base:other@" + string(hub.Digest): hub, // the digest counts
		"docker.io/library/app@" + string(hub.Digest): hub,
	} {
		got, err := s.Lookup(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got.ID != want.ID {
			t.Errorf("%s is %v, not %v", name, got.Names, want.Names)
		}
	}
	for _, name := range []string{
		"nosuch", "tool:3", "quay.example/base", "quay.example/app@" + string(hub.Digest),
		strings.Repeat("0", 64), "sha256:" + strings.Repeat("0", 64), "uniqu",
	} {
		_, err := s.Lookup(name)
		var missing *NotFoundError
		if !errors.As(err, &missing) || err.Error() != name+": image not known" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Lookup("Not A Name"); !isInvalid(err) {
		t.Errorf("an impossible name: %v", err)
	}
	if !none.Dangling() || hub.Dangling() {
		t.Error("dangling is wrong")
	}
	if got := hub.RepoDigests(); len(got) != 2 || !strings.HasPrefix(got[0], "docker.io/library/app@sha256:") {
		t.Errorf("repo digests: %v", got)
	}
}

func isInvalid(err error) bool {
	var e *InvalidReferenceError
	return errors.As(err, &e)
}

func TestCorner49AmbiguousIDPrefix(t *testing.T) {
	s := testStore(t, "vfs")
	// Image IDs are digests; 17 images share a first digit somewhere.
	byDigit := map[byte]int{}
	for i := range 17 {
		byDigit[addImage(t, s, strings.Repeat("x", i+1)).ID[0]]++
	}
	for digit, n := range byDigit {
		_, err := s.Lookup(string(digit))
		var ambiguous *AmbiguousError
		switch {
		case n == 1 && err != nil:
			t.Errorf("%c: %v", digit, err)
		case n > 1 && (!errors.As(err, &ambiguous) || len(ambiguous.IDs) != n):
			t.Errorf("%c fits %d: %v", digit, n, err)
		}
	}
}

func TestCorner53ImageInUse(t *testing.T) {
	s := testStore(t, "vfs")
	img := addImage(t, s, "x", "localhost/x:latest")
	// As buildah does: a container no one else knows.
	other, err := s.CreateContainer("", "working-container", img.ID, ContainerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Remove("x", RemoveOptions{})
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.Containers[0] != other.ID {
		t.Fatalf("got %v", err)
	}
	if ids, _, err := s.Prune(PruneOptions{All: true}); err != nil || len(ids) != 0 {
		t.Fatalf("prune removed %v, %v", ids, err)
	}
	done, err := s.Remove("x", RemoveOptions{Force: true, RemoveContainer: s.DeleteContainer})
	if err != nil || len(done.Deleted) != 1 || done.Untagged[0] != "localhost/x:latest" {
		t.Fatalf("forced: %+v %v", done, err)
	}
	if layers, err := s.store.Layers(); err != nil || len(layers) != 0 {
		t.Errorf("layers left: %v %v", layers, err)
	}
}

func TestRemoveByName(t *testing.T) {
	s := testStore(t, "vfs")
	img := addImage(t, s, "x", "localhost/a:latest", "localhost/b:latest")
	var several *SeveralNamesError
	if _, err := s.Remove(img.ID, RemoveOptions{}); !errors.As(err, &several) {
		t.Errorf("by ID: %v", err)
	}
	done, err := s.Remove("a", RemoveOptions{})
	if err != nil || !slices.Equal(done.Untagged, []string{"localhost/a:latest"}) || len(done.Deleted) != 0 {
		t.Errorf("first name: %+v %v", done, err)
	}
	done, err = s.Remove("b", RemoveOptions{})
	if err != nil || len(done.Deleted) != 1 {
		t.Errorf("last name: %+v %v", done, err)
	}
	if _, err := s.Remove("b", RemoveOptions{}); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("gone: %v", err)
	}
}

func TestFilters(t *testing.T) {
	s := testStore(t, "vfs")
	addImage(t, s, "one", "quay.io/team/one:v1")
	addImage(t, s, "two", "docker.io/library/two:latest")
	addImage(t, s, "three")
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	count := func(filters ...string) int {
		f, err := ParseFilter(list, filters)
		if err != nil {
			t.Fatalf("%v: %v", filters, err)
		}
		n := 0
		for _, i := range list.Items {
			ok, err := f.Match(i)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		want    int
		filters []string
	}{
		{3, nil},
		{1, []string{"dangling=true"}},
		{2, []string{"dangling=false"}},
		{1, []string{"reference=one:v1"}},
		{1, []string{"reference=quay.io/*/*"}},
		{2, []string{"reference=two", "reference=*/one"}},
		{1, []string{"reference=two", "label=content=two"}},
		{0, []string{"reference=two", "label=content=one"}},
		{3, []string{"label=content"}},
		{2, []string{"label!=content=one"}},
		{0, []string{"label=content=one", "label=content=two"}},
		{2, []string{"reference!=one:v1"}},
		{3, []string{"until=1h"}},
		{0, []string{"until=2001-01-01"}},
		{0, []string{"before=two"}}, // all are of the same second
		{0, []string{"containers=true"}},
	} {
		if n := count(c.filters...); n != c.want {
			t.Errorf("%v: %d, not %d", c.filters, n, c.want)
		}
	}
	for _, bad := range []string{"x=y", "dangling", "dangling=maybe", "until=soon", "reference=[", "before=nosuch"} {
		if f, err := ParseFilter(list, []string{bad}); err == nil {
			if _, err = f.Match(list.Items[0]); err == nil {
				t.Errorf("%s is taken", bad)
			}
		}
	}
}

func TestLeftoversAreFoundAndRemoved(t *testing.T) {
	s := testStore(t, "overlay")
	img := addImage(t, s, "x", "localhost/x:latest")
	orphan, _, err := s.store.PutLayer("", img.TopLayer, nil, "", false, nil, strings.NewReader(string(layerTar(t, map[string]string{"y": "y"}))))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := s.Orphans(); err != nil || len(found) != 0 {
		t.Errorf("a new layer may still get its image: %v %v", found, err)
	}
	staging := filepath.Join(s.paths.GraphRoot, "overlay", "staging")
	dead := filepath.Join(staging, "dead")
	mkdir(t, filepath.Join(dead, "dir"))
	write(t, filepath.Join(dead, "staging.lock"), "")
	backdate(t, dead, time.Minute)
	mkdir(t, filepath.Join(staging, "young"))
	n, err := s.CleanStaging()
	if err != nil || n != 1 {
		t.Errorf("removed %d staging directories, %v", n, err)
	}
	if _, err := s.CleanLeftovers(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Layer(orphan.ID); err != nil {
		t.Errorf("a young layer went: %v", err)
	}
	if _, err := s.Lookup("x"); err != nil {
		t.Error(err)
	}
}

func TestApplyChange(t *testing.T) {
	c := &Run{}
	for _, change := range []string{
		"CMD=/bin/sh", `ENTRYPOINT ["a","b c"]`, `ENV A=b C="d e"`, "ENV A=c", "env OLD form of it", "EXPOSE 80 53/udp",
		`LABEL l="m n"`, "USER 1:2", `VOLUME ["/v","/w"]`, "VOLUME /x", "WORKDIR /tmp", "STOPSIGNAL SIGUSR1", "ONBUILD RUN true",
		"HEALTHCHECK --interval=5s --retries=2 CMD test -f /ok",
	} {
		if err := ApplyChange(c, change); err != nil {
			t.Errorf("%s: %v", change, err)
		}
	}
	if !slices.Equal(c.Env, []string{"A=c", "C=d e", "OLD=form of it"}) || !slices.Equal(c.Cmd, []string{"/bin/sh", "-c", "/bin/sh"}) ||
		!slices.Equal(c.Entrypoint, []string{"a", "b c"}) || len(c.Volumes) != 3 || len(c.ExposedPorts) != 2 ||
		c.Labels["l"] != "m n" || c.Healthcheck.Interval != 5*time.Second || c.Healthcheck.Retries != 2 ||
		!slices.Equal(c.Healthcheck.Test, []string{"CMD-SHELL", "test -f /ok"}) {
		t.Errorf("%+v %+v", c, c.Healthcheck)
	}
	for _, bad := range []string{"", "CMD", "RUN true", "EXPOSE x", `LABEL a="b`, "HEALTHCHECK --x=1 CMD y", "HEALTHCHECK WHAT"} {
		var e *ChangeError
		if err := ApplyChange(&Run{}, bad); !errors.As(err, &e) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestCorner53ReadOnlyStore(t *testing.T) {
	other := testStore(t, "overlay")
	img := addImage(t, other, "shared", "localhost/shared:latest")
	dir := t.TempDir()
	// A copy, because one process cannot have a lock as its own and read-only.
	if out, err := exec.Command("cp", "-a", other.paths.GraphRoot, filepath.Join(dir, "shared")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := Open(Options{
		GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Driver: "overlay",
		DriverOptions: []string{"overlay.imagestore=" + filepath.Join(dir, "shared")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	found, err := s.Lookup("shared")
	if err != nil || found.ID != img.ID || !found.ReadOnly {
		t.Fatalf("%+v %v", found, err)
	}
	if _, err := s.Remove("shared", RemoveOptions{Force: true}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("removed: %v", err)
	}
	if ids, _, err := s.Prune(PruneOptions{All: true}); err != nil || len(ids) > 0 {
		t.Errorf("pruned %v %v", ids, err)
	}
	c, err := s.CreateContainer("", "on-it", found.ID, ContainerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.MountLayer(c.LayerID, c.MountOptions())
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(path, "file")); err != nil || string(raw) != "shared" {
		t.Errorf("%s %v", raw, err)
	}
	if err := s.UnmountLayer(c.LayerID); err != nil {
		t.Error(err)
	}
	if err := s.DeleteContainer(c.ID); err != nil {
		t.Error(err)
	}
}
