// Package hostdev looks at the host's device nodes, so that what builds a
// container's configuration need not.
package hostdev

// Device is one device node of the host and where it appears inside.
type Device struct {
	Source string // path on the host
	Path   string // path in the container
	Type   string // "c" or "b"
	Major  int64
	Minor  int64
	Mode   uint32 // permission bits
	UID    uint32
	GID    uint32
	Perms  string // what the container may do: letters of "rwm"
}
