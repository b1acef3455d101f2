package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// zoneinfo is where tzdata(5)'s compiled zones are.
const zoneinfo = "/usr/share/zoneinfo"

// Timezone returns the host's compiled zone for --tz: "local" is the host's
// own, anything else a name such as Europe/Berlin. It is what /etc/localtime
// inside shall hold, see tzfile(5).
func Timezone(name string) ([]byte, error) {
	file := filepath.Join(zoneinfo, name)
	if name == "local" {
		file = "/etc/localtime"
	} else if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("cannot use timezone %q: not the name of a zone", name)
	}
	body, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("unable to find timezone %q: the host has no %s", name, file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use timezone %q: %w", name, err)
	}
	return body, nil
}
