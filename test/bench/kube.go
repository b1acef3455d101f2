package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kubePods is YAML of pods with three containers each, which obey SIGTERM.
func kubePods(n int) string {
	var yaml strings.Builder
	for i := range n {
		fmt.Fprintf(&yaml, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: bench%d}\nspec:\n  containers:\n", i)
		for c := range 3 {
			fmt.Fprintf(&yaml, "  - {name: c%d, image: localhost/busybox, imagePullPolicy: Never, command: [sh, -c, \"trap 'exit 0' TERM; sleep 1000 & wait\"]}\n", c)
		}
	}
	return yaml.String()
}

// playAndDown samples kube play and kube down of n pods together.
func playAndDown(n int) func(*side) sampler {
	return func(s *side) sampler {
		return sampler{s.name, func(int) (float64, error) {
			file := filepath.Join(s.Home, "kube.yaml")
			if err := os.WriteFile(file, []byte(kubePods(n)), 0o644); err != nil {
				return 0, err
			}
			play, err := s.time("kube", "play", "--network=none", file)
			if err != nil {
				return 0, err
			}
			down, err := s.time("kube", "down", file)
			return ms(play + down), err
		}}
	}
}
