package spec

import "time"

// Volume is a named volume as asked for.
type Volume struct {
	Name      string            `json:"name"`
	Driver    string            `json:"driver"` // local, image
	Created   time.Time         `json:"created"`
	Labels    map[string]string `json:"labels,omitempty"`
	Options   map[string]string `json:"options,omitempty"` // type, device, o, ...
	Anonymous bool              `json:"anonymous,omitempty"`
	UID       *int              `json:"uid,omitempty"`
	GID       *int              `json:"gid,omitempty"`
	// StorageID is the layer of a volume of the image driver.
	StorageID string `json:"storage_id,omitempty"`
	// Files tells, of a volume that Kubernetes YAML has filled, with what.
	Files *VolumeFiles `json:"files,omitempty"`
}

// VolumeFiles is how a volume of ConfigMaps, Secrets and the like was made.
// What they held is in the volume only.
type VolumeFiles struct {
	Name    string         `json:"name"` // of the volume in its pod
	Files   []VolumeFile   `json:"files,omitempty"`
	Secrets []VolumeSecret `json:"secrets,omitempty"`
}

// VolumeFile is a file below the volume.
type VolumeFile struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
}

// VolumeSecret puts values of a stored Secret into a volume.
type VolumeSecret struct {
	Secret string       `json:"secret"`
	Items  []VolumeItem `json:"items"`
	// Optional: a key that is gone by then is no error.
	Optional bool `json:"optional,omitempty"`
}

// VolumeItem is a key of a Secret and the file it becomes.
type VolumeItem struct {
	Key  string `json:"key"`
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
}

// StoredSecret is a secret without its data, which is a file of its own.
type StoredSecret struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Driver  string            `json:"driver"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated"`
	Labels  map[string]string `json:"labels,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}
