package manage

import (
	"fmt"
	"strings"

	"github.com/carob-containers/carob/pkg/quadlet"
)

// SplitSuffix is what names of files with several units end with.
const SplitSuffix = ".quadlets"

// Split takes the units in one file apart. Lines of three dashes stand between
// them, and each has its name in a comment, # FileName=web: its section tells
// what it is.
func Split(name string, body []byte) ([]File, error) {
	var files []File
	var part []string
	first := 1 // line of the part
	for i, line := range append(strings.Split(string(body), "\n"), "---") {
		if strings.TrimSpace(line) != "---" {
			part = append(part, line)
			continue
		}
		text := strings.TrimSpace(strings.Join(part, "\n"))
		if text != "" {
			unit, err := nameOf(text)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, first, err)
			}
			files = append(files, File{unit, []byte(text + "\n")})
		}
		part, first = nil, i+2
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no unit in %s", name)
	}
	return files, nil
}

// nameOf is the name that a unit in a file of several wants, as that of a file.
func nameOf(text string) (string, error) {
	var name, suffix string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "#"); ok && name == "" {
			if wanted, ok := strings.CutPrefix(strings.TrimSpace(comment), "FileName="); ok {
				name = strings.TrimSpace(wanted)
			}
		}
		if section, ok := strings.CutPrefix(line, "["); ok && suffix == "" {
			suffix = quadlet.SuffixOf(strings.TrimSuffix(section, "]"))
		}
	}
	switch {
	case name == "":
		return "", fmt.Errorf("the unit has no name: a line # FileName=NAME is wanted")
	case strings.HasPrefix(name, ".") || strings.Contains(name, "/"):
		return "", fmt.Errorf("%q is no name for a unit", name)
	case suffix == "":
		return "", fmt.Errorf("the unit %s has no section that tells what it is, such as [Container]", name)
	}
	return strings.TrimSuffix(name, suffix) + suffix, nil
}
