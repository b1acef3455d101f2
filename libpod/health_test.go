package libpod

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carob-containers/carob/libpod/monitor"
	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/image"
)

func imageWith(h *image.Healthcheck, shell ...string) *baseImage {
	return &baseImage{config: &image.Config{Config: image.Run{Healthcheck: h, Shell: shell}}}
}

func TestCorner28HealthOf(t *testing.T) {
	own := &image.Healthcheck{Test: []string{"CMD", "own"}, Interval: time.Second, Retries: 7}
	never := &image.Healthcheck{Test: []string{"NONE"}}
	day := 24 * time.Hour
	for name, tc := range map[string]struct {
		asked *spec.Health
		img   *image.Healthcheck
		want  *spec.Health
	}{
		"neither":      {nil, nil, nil},
		"image's":      {nil, own, &spec.Health{Test: []string{"CMD", "own"}, Interval: time.Second, Timeout: healthTime, Retries: 7}},
		"image's NONE": {nil, never, nil},
		"turned off":   {&spec.Health{Test: []string{"NONE"}}, own, nil},
		"replaced": {&spec.Health{Test: []string{"CMD", "mine"}}, own,
			&spec.Health{Test: []string{"CMD", "mine"}, Interval: healthTime, Timeout: healthTime, Retries: 3}},
		"changed": {&spec.Health{Interval: day, OnFailure: "kill"}, own,
			&spec.Health{Test: []string{"CMD", "own"}, Interval: day, Timeout: healthTime, Retries: 7, OnFailure: "kill"}},
		"over NONE": {&spec.Health{Test: []string{"CMD", "mine"}, Retries: 1}, never,
			&spec.Health{Test: []string{"CMD", "mine"}, Interval: healthTime, Timeout: healthTime, Retries: 1}},
	} {
		if got := healthOf(tc.asked, imageWith(tc.img)); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestCorner28HealthArgv(t *testing.T) {
	for _, tc := range []struct {
		test, shell, want []string
	}{
		{[]string{"CMD", "a b", "c"}, nil, []string{"a b", "c"}},
		{[]string{"CMD-SHELL", "a b | c"}, nil, []string{"/bin/sh", "-c", "a b | c"}},
		{[]string{"CMD-SHELL", "a b"}, []string{"/bin/bash", "-ec"}, []string{"/bin/bash", "-ec", "a b"}},
		{[]string{"bare", "words"}, nil, []string{"bare", "words"}},
	} {
		if got := healthArgv(tc.test, imageWith(nil, tc.shell...)); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%v: %v", tc.test, got)
		}
	}
}

func TestWhatNeedsAHealthCheckIsRefusedWithoutOne(t *testing.T) {
	for want, c := range map[string]*spec.Container{
		"":                     {},
		"--sdnotify=healthy":   {Process: spec.Process{SdNotify: "healthy"}},
		"--health-startup-cmd": {Startup: &spec.Health{Test: []string{"CMD", "x"}}},
		"on-failure action":    {Health: &spec.Health{OnFailure: "stop"}},
	} {
		err := checkHealth(c, imageWith(nil))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		if err := checkHealth(c, imageWith(&image.Healthcheck{Test: []string{"CMD", "own"}})); err != nil {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestProbesForTheMonitor(t *testing.T) {
	grace := uint(5)
	c := &Container{Container: &spec.Container{Probes: &spec.Probes{
		Startup: &spec.Probe{Action: spec.Action{Exec: []string{"x"}}, Failures: 30},
		Liveness: &spec.Probe{Action: spec.Action{HTTP: &spec.HTTPGet{Scheme: "HTTPS", Port: 8443, Path: "healthz?a=b",
			Headers: []spec.HTTPHeader{{Name: "X", Value: "1"}}}}, TerminationGrace: &grace, InitialDelay: time.Minute},
		Readiness: &spec.Probe{Action: spec.Action{GRPC: &spec.GRPCCheck{Port: 9000, Service: "s"}}, Period: time.Second, Timeout: 2 * time.Second, Successes: 2},
	}}, rt: &Runtime{opts: Options{Monitor: "/lib/carob-monitor"}}}
	got := c.monitorHealth(nil)
	want := monitor.Health{Prober: "/lib/carob-probe", LogCount: 15, LogSize: 500, Checks: []monitor.Check{
		{Role: "startup", Action: monitor.Action{Exec: []string{"x"}}, Steady: true, Period: 10 * time.Second, Timeout: time.Second, Failures: 30, OnFailure: "replace"},
		{Role: "liveness", Action: monitor.Action{Probe: []string{"http", "https://127.0.0.1:8443/healthz?a=b", "X: 1"}}, Steady: true,
			Delay: time.Minute, Period: 10 * time.Second, Timeout: time.Second, Failures: 3, OnFailure: "replace", Grace: &grace},
		{Role: "readiness", Action: monitor.Action{Probe: []string{"grpc", "127.0.0.1:9000", "s"}}, Steady: true, Period: time.Second, Timeout: 2 * time.Second, Failures: 3, Successes: 2},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	six := monitorAction(&spec.Action{TCP: &spec.TCPConnect{Host: "::1", Port: 80}})
	if !reflect.DeepEqual(six.Probe, []string{"tcp", "[::1]:80"}) {
		t.Errorf("%v", six)
	}
}
