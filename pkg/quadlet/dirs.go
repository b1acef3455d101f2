package quadlet

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// unitDir is where units are, below /etc, /run and /usr/share, and below a
// user's configuration and runtime directories.
const unitDir = "containers/systemd"

// Place says for whom units are looked for.
type Place struct {
	User   bool // for an ordinary user's service manager, not the system's
	UID    int
	Getenv func(string) string // os.Getenv
}

// SearchPath lists the directories of units. A file hides those of the same
// name in directories further down.
func (p Place) SearchPath() []string {
	if dirs := p.Getenv("QUADLET_UNIT_DIRS"); dirs != "" {
		return absolute(strings.Split(dirs, ":"))
	}
	if !p.User {
		return []string{"/run/" + unitDir, "/etc/" + unitDir, "/usr/share/" + unitDir}
	}
	uid := strconv.Itoa(p.UID)
	own := []string{p.below("XDG_RUNTIME_DIR", ""), p.ConfigDir()}
	for _, top := range []string{"/etc/", "/usr/share/"} {
		users := top + unitDir + "/users"
		own = append(own, users+"/"+uid, users)
	}
	return absolute(own)
}

// ConfigDir is where a user's or an administrator's own units are installed.
// It is empty when a user's cannot be told.
func (p Place) ConfigDir() string {
	if !p.User {
		return "/etc/" + unitDir
	}
	return p.below("XDG_CONFIG_HOME", ".config")
}

// below is the directory of units below the one that a variable names, or else
// below a directory of the home.
func (p Place) below(variable, inHome string) string {
	if dir := p.Getenv(variable); dir != "" {
		return filepath.Join(dir, unitDir)
	}
	if home := p.Getenv("HOME"); home != "" && inHome != "" {
		return filepath.Join(home, inHome, unitDir)
	}
	return ""
}

// relative are the directories of QUADLET_UNIT_DIRS that cannot be searched: what
// they are seen from would be systemd's own directory.
func (p Place) relative() []string {
	return slices.DeleteFunc(strings.Split(p.Getenv("QUADLET_UNIT_DIRS"), ":"), func(dir string) bool {
		return dir == "" || filepath.IsAbs(dir)
	})
}

func absolute(dirs []string) []string {
	var good []string
	for _, dir := range dirs {
		if filepath.IsAbs(dir) {
			good = append(good, filepath.Clean(dir))
		}
	}
	return good
}

// others tells whether a directory below the search path holds units of other
// people: those of users for the system, and those of other users.
func (p Place) others(parent, name string) bool {
	switch {
	case !p.User:
		return name == "users" && (parent == "/etc/"+unitDir || parent == "/usr/share/"+unitDir)
	case !strings.HasSuffix(parent, "/"+unitDir+"/users"):
		return false
	}
	_, err := strconv.Atoi(name)
	return err == nil // its own stands in the search path by itself
}
