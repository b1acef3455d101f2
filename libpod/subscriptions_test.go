package libpod

import (
	"slices"
	"testing"
)

func TestCorner24Subscriptions(t *testing.T) {
	got, err := parseSubscriptions("# hosts\n/usr/share/secrets:/run/secrets\n\n  /etc/pki/entitlement  \n")
	want := []subscription{{"/usr/share/secrets", "/run/secrets"}, {"/etc/pki/entitlement", "/etc/pki/entitlement"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"relative:/x", "/x:relative", "/a:/b:ro"} {
		if _, err := parseSubscriptions(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
