package report

import (
	"strings"
	"time"

	"github.com/docker/go-units"
)

// Ago says how long ago t was: "2 minutes ago", "About an hour ago". The zero
// time gives "".
func Ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Duration(time.Since(t)) + " ago"
}

// Duration is d in its largest unit: "3 seconds", "About a minute", "5 weeks".
func Duration(d time.Duration) string {
	return units.HumanDuration(max(d, 0))
}

// Size is a number of bytes in decimal units with a blank: "1.4 MB".
func Size(bytes int64) string {
	s := units.HumanSizeWithPrecision(float64(bytes), 3)
	i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && r != '-' && r != '+' && (r < '0' || r > '9') })
	return s[:i] + " " + s[i:]
}

// TightSize is Size without the blank and with one more digit, as ps and
// stats print it: "1.447MB".
func TightSize(bytes int64) string {
	return units.HumanSizeWithPrecision(float64(bytes), 4)
}

// ShortID is the first 12 characters of an ID, without the name of its hash.
func ShortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}
