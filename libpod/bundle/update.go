package bundle

import (
	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-tools/generate"
)

// Resources returns the limits of a container alone, for one that runs
// already. Of in, Spec, Host and BlockDevices count.
func Resources(in Input) (*rspec.LinuxResources, error) {
	if err := CheckHost(in.Spec, in.Host); err != nil {
		return nil, err
	}
	tool := generate.NewFromSpec(&rspec.Spec{Linux: &rspec.Linux{}})
	g := &generator{Input: in, oci: &tool}
	for _, step := range []func() error{g.addMemory, g.addCPU, g.addPids, g.addBlockIO} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return g.resources(), nil
}
