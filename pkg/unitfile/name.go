package unitfile

import (
	"fmt"
	"strings"
)

// maxName bounds a name, in bytes: systemd takes 255 with the suffix.
const maxName = 240

// CheckName tells why systemd would not take a name, without its suffix, for
// that of a unit (systemd.unit(5)).
func CheckName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, notInName) {
		return fmt.Errorf("invalid unit name %q: only letters, digits and : - _ . \\ may be in it, %d at most", name, maxName)
	}
	return nil
}

// CheckInstance is CheckName for a name that may be that of a template or of
// an instance: shop@, shop@10.
func CheckInstance(name string) error {
	base, instance, _ := strings.Cut(name, "@")
	if base == "" || len(name) > maxName || strings.ContainsFunc(base+strings.ReplaceAll(instance, "@", ""), notInName) {
		return fmt.Errorf("invalid unit name %q: only letters, digits and : - _ . \\ may be in it, %d at most, and @ before an instance", name, maxName)
	}
	return nil
}

func notInName(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune(`:-_.\`, r)
}
