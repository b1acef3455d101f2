package main

import (
	"path/filepath"

	"github.com/carob-containers/carob/pkg/eventlog"
	"github.com/carob-containers/carob/pkg/image"
)

// imageEvent notes what was done to an image. Like every event it must not
// fail what it tells of.
func (a *app) imageEvent(status, id, name string) {
	if log, err := a.eventLog(); err == nil {
		log.Write(eventlog.Event{Type: "image", Status: status, ID: id, Name: name})
	}
}

// eventLog opens the file of events without the state: commands about images
// have no need of that.
func (a *app) eventLog() (*eventlog.Log, error) {
	conf, err := a.engineConfig()
	if err != nil {
		return nil, err
	}
	paths, err := image.Locate(a.imageOptions())
	if err != nil {
		return nil, err
	}
	e := conf.Engine
	size, err := eventMax(e.EventsLogfileMaxSize)
	if err != nil {
		return nil, err
	}
	return eventlog.Open(eventlog.Options{
		StateDir: filepath.Join(paths.GraphRoot, "carob"), File: e.EventsLogfilePath,
		Flag: a.global.eventsBackend, Configured: e.EventsLogger, Max: size,
	})
}
