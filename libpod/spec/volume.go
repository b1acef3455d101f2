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
