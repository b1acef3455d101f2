package bundle

import (
	"fmt"

	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-tools/generate"
)

// ociVersion is the oldest version that carries all that Generate uses:
// runtimes refuse configurations newer than they know.
const ociVersion = "1.0.2"

// generator is one call of Generate: what goes in and what comes out.
type generator struct {
	Input
	oci  *generate.Generator
	caps capabilitySet
}

// Generate returns the configuration of the OCI runtime. The Spec must have
// passed Validate; errors are about what this host, image or user cannot do.
func Generate(in Input) (*rspec.Spec, error) {
	if err := CheckHost(in.Spec, in.Host); err != nil {
		return nil, err
	}
	tool := generate.NewFromSpec(&rspec.Spec{
		Version:     ociVersion,
		Process:     &rspec.Process{},
		Root:        &rspec.Root{Path: in.Rootfs, Readonly: in.Spec.Mounts.ReadOnly},
		Annotations: map[string]string{},
		Linux:       &rspec.Linux{},
	})
	g := &generator{Input: in, oci: &tool}
	for _, step := range []func() error{
		g.addProcess, g.addUser, g.addCapabilities, g.addRlimits, g.addNamespaces, g.addMounts, g.addDevices,
		g.addPaths, g.addLabels, g.addSysctls, g.addCgroup, g.addSeccomp, g.addAnnotations,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return g.oci.Config, nil
}

// hintError is an error with a cure.
type hintError struct {
	error
	hint string
}

func (e hintError) Hint() string  { return e.hint }
func (e hintError) Unwrap() error { return e.error }

func hinted(hint, format string, args ...any) error {
	return hintError{fmt.Errorf(format, args...), hint}
}
