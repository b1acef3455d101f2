package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carob-containers/carob/pkg/config"
	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/userns"
)

// config reads containers.conf and puts into the environment what it sets
// there: the engine's variables, and the directory for big files.
func (a *app) config() (*config.Config, error) {
	if a.conf != nil {
		return a.conf, nil
	}
	conf, err := config.Load(config.Where{Rootless: userns.Rootless(), Getenv: os.Getenv, Modules: a.modules})
	if err != nil {
		return nil, err
	}
	if err := conf.SetEnv(); err != nil {
		return nil, err
	}
	if dir := conf.Engine.ImageCopyTmpDir; dir != "" && os.Getenv("TMPDIR") == "" {
		if err := a.setTempDir(dir); err != nil {
			return nil, fmt.Errorf("cannot use image_copy_tmp_dir %q of containers.conf: %w", dir, err)
		}
	}
	a.conf = conf
	return conf, nil
}

// setTempDir: the word "storage" stands for a directory of the storage.
func (a *app) setTempDir(dir string) error {
	if dir == "storage" {
		paths, err := image.Locate(a.images)
		if err != nil {
			return err
		}
		dir = filepath.Join(paths.GraphRoot, "tmp")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() || !filepath.IsAbs(dir) {
		return errors.New("it is no absolute path of a directory")
	}
	return os.Setenv("TMPDIR", dir)
}

// tellUnused warns of keys without effect.
func (a *app) tellUnused(conf *config.Config) error {
	dir := cmp.Or(a.tmpDir, conf.Engine.TmpDir)
	if dir == "" {
		var err error
		if dir, err = userns.RuntimeDir(); err != nil {
			return err
		}
	}
	conf.Tell(dir, func(line string) { fmt.Fprintf(a.err, "Warning: %s\n", line) })
	return nil
}

// retries fills in containers.conf's where the flags say nothing.
func retries(conf *config.Config, changed func(string) bool, n *uint, delay *time.Duration) error {
	if conf.Engine.Retry != nil && !changed("retry") {
		*n = *conf.Engine.Retry
	}
	if text := conf.Engine.RetryDelay; text != "" && !changed("retry-delay") {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("cannot use retry_delay %q of containers.conf: %w", text, err)
		}
		*delay = d
	}
	return nil
}
