package libpod

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Commands tells what containers were given to run. Images are opened only
// for containers that leave their command to the image, and read once each.
type Commands struct {
	rt      *Runtime
	byImage map[string][]string
}

// Commands returns a reader for one listing.
func (rt *Runtime) Commands() *Commands {
	return &Commands{rt: rt, byImage: map[string][]string{}}
}

// Of is the command behind the entrypoint: the user's words, or else the
// image's CMD, which goes with the image's own entrypoint only. It is empty
// when the image is gone.
func (cs *Commands) Of(c *Container) []string {
	if len(c.Process.Command) > 0 || c.Process.Entrypoint != nil || c.Rootfs != nil {
		return c.Process.Command
	}
	if words, ok := cs.byImage[c.ImageID]; ok {
		return words
	}
	var words []string
	if img, err := c.image(); err == nil {
		words = img.config.Config.Cmd
	}
	cs.byImage[c.ImageID] = words
	return words
}

// Sizes of a container's root file system, in bytes.
type Sizes struct {
	RootFS int64 // all of it, with the image
	RW     int64 // what the container has written
}

// Sizes measures the container's files: slow for large ones.
func (c *Container) Sizes() (Sizes, error) {
	if c.Rootfs != nil || c.Infra {
		return Sizes{}, nil
	}
	images, err := c.rt.Images()
	if err != nil {
		return Sizes{}, err
	}
	layer, err := images.Container(c.ID)
	if err != nil {
		return Sizes{}, err
	}
	rw, err := images.Storage().DiffSize("", layer.LayerID)
	if err != nil {
		return Sizes{}, err
	}
	img, err := c.image()
	if err != nil {
		return Sizes{}, err
	}
	size, err := img.Size()
	return Sizes{RootFS: size + rw, RW: rw}, err
}

// NamespaceIDs are the inode numbers of a process's namespaces by the
// kernel's names (namespaces(7)); those that cannot be read are left out.
func NamespaceIDs(pid int) map[string]string {
	ids := map[string]string{}
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + kind)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(link, "[")
		ids[kind] = strings.TrimSuffix(rest, "]")
	}
	return ids
}

// ExternalContainer is one that another program keeps in the same storage.
type ExternalContainer struct {
	ID      string
	Names   []string
	Image   string // name or ID
	ImageID string
	Created time.Time
	Program string // buildah, or storage where it cannot be told
}

// External are the containers of other programs (buildah, podman).
func (rt *Runtime) External(own []*Container) ([]ExternalContainer, error) {
	images, err := rt.Images()
	if err != nil {
		return nil, err
	}
	all, err := images.Storage().Containers()
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, c := range own {
		ours[c.ID] = true
	}
	var others []ExternalContainer
	for _, c := range all {
		if ours[c.ID] {
			continue
		}
		e := ExternalContainer{ID: c.ID, Names: c.Names, Image: c.ImageID, ImageID: c.ImageID, Created: c.Created, Program: "storage"}
		if img, err := images.Lookup(c.ImageID); err == nil && len(img.Names) > 0 {
			e.Image = img.Names[0]
		}
		if dir, err := images.Storage().ContainerDirectory(c.ID); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "buildah.json")); err == nil {
				e.Program = "buildah"
			}
		}
		others = append(others, e)
	}
	return others, nil
}
