// Package image is carob's view of containers/storage: where the store is,
// which images are in it, what they are called and made of, and the layers
// containers are put on top of. It never talks to a registry.
package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/containers/storage/types"
)

// Options say which store to open. Empty fields leave the choice to
// storage.conf, its environment variables, and the defaults.
type Options struct {
	GraphRoot     string
	RunRoot       string
	Driver        string
	DriverOptions []string // as storage.conf's: "overlay.mount_program=..."
}

// Paths is where a store keeps its files.
type Paths struct {
	GraphRoot string // images, layers, containers; outlives a reboot
	RunRoot   string // what does not
	Driver    string // "overlay", "vfs"; "" when the store has yet to choose
	Config    string // the storage.conf that was read, "" when there is none
}

// driverOptions are the names of all options that a driver of ours knows.
func driverOptions() []string {
	return []string{
		"additionalimagestore", "additionallayerstore", "force_mask", "ignore_chown_errors", "imagestore", "inodes", "mount_program",
		"mountopt", "override_kernel_check", "size", "skip_mount_home", "use_composefs",
	}
}

// CheckDriverOption refuses one of Options.DriverOptions that no driver knows.
// The driver does so, too, but only when a store is opened.
func CheckDriverOption(option string) error {
	if option == "" {
		return nil // takes away those of storage.conf
	}
	key, _, ok := strings.Cut(option, "=")
	if !ok {
		return fmt.Errorf("%q is not KEY=VALUE", option)
	}
	name := strings.ToLower(strings.TrimSpace(key))
	for _, driver := range []string{"overlay.", "overlay2.", "vfs.", "."} {
		name = strings.TrimPrefix(name, driver)
	}
	if !slices.Contains(driverOptions(), name) {
		return fmt.Errorf("unknown option %s", key)
	}
	return nil
}

// ConfigError is a storage.conf that cannot be used.
type ConfigError struct {
	File string
	Key  string // "" when no key could be named
	Line int    // 0 when unknown
	Err  error
}

func (e *ConfigError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s line %d", where, e.Line)
	}
	if e.Key != "" {
		where += ", key " + e.Key
	}
	return fmt.Sprintf("cannot use %s: %v", where, e.Err)
}

func (e *ConfigError) Unwrap() error { return e.Err }

// Hint names the manual page of the file.
func (e *ConfigError) Hint() string {
	return "containers-storage.conf(5) lists the keys and their values"
}

// Locate finds the store without opening or creating it.
func Locate(o Options) (Paths, error) {
	c, err := choose(o)
	if err != nil {
		return Paths{}, err
	}
	return Paths{GraphRoot: c.GraphRoot, RunRoot: c.RunRoot, Driver: c.GraphDriverName, Config: c.config}, nil
}

// forgetMissingRuntimeDir unsets a runtime directory that is not there, which
// the library would stop at: without the variable the user's own is found.
func forgetMissingRuntimeDir() error {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return os.Unsetenv("XDG_RUNTIME_DIR")
	}
	return nil
}

// choice is storage.conf, environment and Options in one.
type choice struct {
	types.StoreOptions
	config string // the file that took part, "" for none
	// guessed: neither a user nor an existing store has chosen the driver.
	guessed bool
}

func choose(o Options) (*choice, error) {
	config, driverSet, err := checkConfig()
	if err != nil {
		return nil, err
	}
	if err := forgetMissingRuntimeDir(); err != nil {
		return nil, err
	}
	so, err := types.DefaultStoreOptions()
	if err != nil {
		return nil, fmt.Errorf("cannot find the image store: %w", err)
	}
	c := &choice{StoreOptions: so, config: config}
	if o.Driver != "" {
		// Options of the configured driver mean nothing to another one.
		c.GraphDriverName, c.GraphDriverOptions = o.Driver, nil
		driverSet = true
	}
	if len(o.DriverOptions) > 0 {
		c.GraphDriverOptions = slices.DeleteFunc(slices.Clone(o.DriverOptions), func(s string) bool { return s == "" })
	}
	if c.GraphRoot, err = pick(o.GraphRoot, c.GraphRoot); err != nil {
		return nil, err
	}
	if c.RunRoot, err = pick(o.RunRoot, c.RunRoot); err != nil {
		return nil, err
	}
	if !driverSet && len(c.GraphDriverPriority) == 0 {
		if c.GraphDriverName = usedDriver(c.GraphRoot); c.GraphDriverName == "" {
			c.GraphDriverName, c.guessed = "overlay", true
		}
	}
	return c, checkDriver(c.GraphDriverName)
}

func pick(asked, otherwise string) (string, error) {
	if asked == "" {
		return otherwise, nil
	}
	path, err := filepath.Abs(asked)
	if err != nil {
		return "", fmt.Errorf("cannot use storage directory %s: %w", asked, err)
	}
	return path, nil
}

// usedDriver is the driver an existing store was made with, "" when there is
// none. Overlay wins where both left their directories, as it does in podman.
func usedDriver(graphRoot string) string {
	for _, driver := range []string{"overlay", "vfs"} {
		if _, err := os.Stat(filepath.Join(graphRoot, driver+"-images")); err == nil {
			return driver
		}
	}
	return ""
}

// UnknownDriverError is a storage driver carob was not built with.
type UnknownDriverError struct{ Driver string }

func (e *UnknownDriverError) Error() string {
	return fmt.Sprintf("cannot use storage driver %q: not known", e.Driver)
}

// Hint names the drivers there are.
func (e *UnknownDriverError) Hint() string { return "drivers are overlay and vfs" }

func checkDriver(name string) error {
	switch name {
	case "", "overlay", "vfs":
		return nil
	}
	return &UnknownDriverError{name}
}

// checkConfig reads the storage.conf files containers/storage will read, so
// that a mistake in one is reported once, with its place, instead of being
// logged and skipped. driverSet tells whether a driver was chosen by the file
// that counts or by the environment.
func checkConfig() (file string, driverSet bool, err error) {
	driverSet = os.Getenv("STORAGE_DRIVER") != ""
	for _, path := range configFiles() {
		c, err := readConfig(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return path, false, err
		}
		file = path
		driverSet = driverSet || c.Storage.Driver != ""
	}
	return file, driverSet, nil
}

// ConfigFile is the storage.conf that is the user's own to write, whether or
// not it is there.
func ConfigFile() (string, error) {
	path, err := types.DefaultConfigFile()
	if err != nil {
		return "", fmt.Errorf("cannot find storage.conf: %w", err)
	}
	return path, nil
}

// configFiles are the candidates in the order of containers-storage.conf(5),
// least important first. With CONTAINERS_STORAGE_CONF there is only that one.
func configFiles() []string {
	if path, ok := os.LookupEnv("CONTAINERS_STORAGE_CONF"); ok {
		return []string{path}
	}
	files := []string{types.SystemConfigFile}
	const override = "/etc/containers/storage.conf"
	if _, err := os.Stat(override); err == nil {
		files = []string{override}
	}
	if own, err := types.DefaultConfigFile(); err == nil && !slices.Contains(files, own) {
		files = append(files, own)
	}
	return files
}

func readConfig(path string) (types.TomlConfig, error) {
	var c types.TomlConfig
	_, err := toml.DecodeFile(path, &c)
	if err != nil {
		return c, configError(path, err)
	}
	driver := c.Storage.Driver
	if driver == "overlay2" {
		driver = "overlay"
	}
	if err := checkDriver(driver); err != nil {
		return c, &ConfigError{File: path, Key: "storage.driver", Err: err}
	}
	for _, d := range []struct{ key, path string }{
		{"storage.graphroot", c.Storage.GraphRoot},
		{"storage.runroot", c.Storage.RunRoot},
		{"storage.imagestore", c.Storage.ImageStore},
		{"storage.rootless_storage_path", c.Storage.RootlessStoragePath},
	} {
		if d.path != "" && !strings.HasPrefix(d.path, "/") && !strings.HasPrefix(d.path, "$") {
			return c, &ConfigError{File: path, Key: d.key, Err: fmt.Errorf("%q is not an absolute path", d.path)}
		}
	}
	return c, nil
}

func configError(path string, err error) error {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		why := pe.Message
		if why == "" {
			// Errors of the lexer carry their text only in Error.
			why = strings.TrimPrefix(pe.Error(), "toml: ")
		}
		return &ConfigError{File: path, Key: pe.LastKey, Line: pe.Position.Line, Err: errors.New(why)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &ConfigError{File: path, Err: err}
}
