package libpod

import (
	"slices"
	"testing"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/pkg/selinux"
)

// Corner 37: whose labels a container gets.
func TestCorner37LabelWords(t *testing.T) {
	other := []*spec.SELinuxLabels{{Process: "system_u:system_r:container_t:s0:c1,c2", Mount: "system_u:object_r:container_file_t:s0:c1,c2"}}
	others := []string{"user:system_u", "role:system_r", "type:container_t", "level:s0:c1,c2"}
	unlabelled := []*spec.SELinuxLabels{{Mount: "system_u:object_r:container_file_t:s0:c1022,c1023"}}
	off := []string{"disable"}
	for name, test := range map[string]struct {
		isolation spec.Isolation
		security  spec.Security
		joined    []*spec.SELinuxLabels
		want      []string
	}{
		"nothing asked":             {},
		"a type":                    {security: spec.Security{Label: []string{"type:spc_t"}}, want: []string{"type:spc_t"}},
		"nested":                    {security: spec.Security{Label: []string{"nested", "level:s0:c9"}}, want: []string{"level:s0:c9"}},
		"disabled":                  {security: spec.Security{Label: []string{"disable"}}, want: off},
		"privileged":                {security: spec.Security{Privileged: true}, want: off},
		"privileged with a type":    {security: spec.Security{Privileged: true, Label: []string{"type:spc_t"}}, want: off},
		"privileged beside another": {security: spec.Security{Privileged: true}, joined: other, want: off},
		"the host's processes":      {isolation: spec.Isolation{PID: "host"}, want: off},
		"the host's shared memory":  {isolation: spec.Isolation{IPC: "host"}, want: off},
		"the host's, with a type":   {isolation: spec.Isolation{PID: "host"}, security: spec.Security{Label: []string{"type:a_t"}}, want: []string{"type:a_t"}},
		"the host's and another's": {
			isolation: spec.Isolation{PID: "host"}, security: spec.Security{Label: []string{"type:a_t"}}, joined: other,
			want: append(slices.Clone(others), "type:a_t"),
		},
		"another's":                     {joined: other, want: others},
		"another's, with a type":        {security: spec.Security{Label: []string{"type:a_t"}}, joined: other, want: append(slices.Clone(others), "type:a_t")},
		"another's, disabled":           {security: spec.Security{Label: []string{"disable"}}, joined: other, want: append(slices.Clone(others), "disable")},
		"an unlabelled one's":           {joined: unlabelled, want: off},
		"an unlabelled one's, own type": {security: spec.Security{Label: []string{"type:a_t"}}, joined: unlabelled, want: []string{"type:a_t"}},
	} {
		c := &spec.Container{Isolation: test.isolation, Security: test.security}
		got, err := labelWords(c, test.joined)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, test.want)
		}
	}
	if got, err := labelWords(&spec.Container{}, []*spec.SELinuxLabels{{Process: "nonsense"}}); err == nil {
		t.Errorf("of nonsense: %q", got)
	}
}

// Without SELinux, what is stored about labels counts for nothing.
func TestMountLabel(t *testing.T) {
	const mount = "system_u:object_r:container_file_t:s0:c1,c2"
	c := &Container{Container: &spec.Container{}}
	if got := c.mountLabel(); got != "" {
		t.Errorf("of a container without labels: %q", got)
	}
	c.Security.SELinux = &spec.SELinuxLabels{Mount: mount}
	if got := c.mountLabel(); got != "" && !selinux.Enabled() || got != mount && selinux.Enabled() {
		t.Errorf("of a labelled container: %q", got)
	}
}

func TestHasType(t *testing.T) {
	if hasType([]string{"level:s0:c1"}) || !hasType([]string{"level:s0:c1", "type:a_t"}) {
		t.Error("a type is not told from a level")
	}
}
