package main

import (
	"path/filepath"
	"testing"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/pkg/config"
)

// TestHostPathsAbsolute: what is made for a hostPath can be found again from
// any directory.
func TestHostPathsAbsolute(t *testing.T) {
	pods := []kube.Pod{{HostPaths: []kube.HostPath{{Path: "./data"}, {Path: "/srv/data"}}}}
	if err := configurePods(pods, &config.Config{}); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("data")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{here, "/srv/data"} {
		if got := pods[0].HostPaths[i].Path; got != want {
			t.Errorf("the path is %s, wanted %s", got, want)
		}
	}
}
