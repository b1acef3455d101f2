package libpod

import (
	"reflect"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carob-containers/carob/libpod/bundle"
)

// TestExecStaysWithinItsOwnRlimits: a container that was started where limits
// are higher, in a login session, say, is entered from a system unit.
func TestExecStaysWithinItsOwnRlimits(t *testing.T) {
	t.Setenv("_CONTAINERS_ROOTLESS_UID", "1000")
	got := withinRlimits([]rspec.POSIXRlimit{
		{Type: "RLIMIT_NOFILE", Soft: 1048576, Hard: 1048576}, {Type: "RLIMIT_NPROC", Soft: 5, Hard: 10},
	}, map[string]bundle.Rlimit{"nofile": {Soft: 1024, Hard: 524288}, "nproc": {Soft: 100, Hard: 100}})
	want := []rspec.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 524288, Hard: 524288}, {Type: "RLIMIT_NPROC", Soft: 5, Hard: 10}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
