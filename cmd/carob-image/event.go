package main

import (
	"path/filepath"

	"github.com/carob-containers/carob/pkg/eventlog"
	"github.com/carob-containers/carob/pkg/image"
)

// event notes what was done to an image. Like every event it must not fail
// what it tells of. Beginning the file anew is left to carob.
func (a *app) event(status, id, name string) {
	conf, err := a.config()
	if err != nil {
		return
	}
	paths, err := image.Locate(a.images)
	if err != nil {
		return
	}
	log, err := eventlog.Open(eventlog.Options{
		StateDir: filepath.Join(paths.GraphRoot, "carob"), File: conf.Engine.EventsLogfilePath,
		Flag: a.eventsBackend, Configured: conf.Engine.EventsLogger,
	})
	if err == nil {
		log.Write(eventlog.Event{Type: "image", Status: status, ID: id, Name: name})
	}
}
