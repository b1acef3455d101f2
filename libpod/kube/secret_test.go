package kube

import (
	"reflect"
	"testing"
)

func TestSecretForms(t *testing.T) {
	want := map[string][]byte{"user": []byte("shop"), "key with: colon": {0, 255}}
	mine := EncodeSecret("db", "Opaque", want)
	if got, err := DecodeSecret("db", mine); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("what was encoded is decoded as %v, %v", got, err)
	}
	podmans := "apiVersion: v1\ndata:\n  password: czNjcmV0\n  user: c2hvcA==\nkind: Secret\nmetadata:\n  creationTimestamp: null\n  name: db\n"
	got, err := DecodeSecret("db", []byte(podmans))
	if err != nil || string(got["password"]) != "s3cret" || string(got["user"]) != "shop" || len(got) != 2 {
		t.Errorf("podman's form is decoded as %q, %v", got, err)
	}
	// as podman 4.3.1 has written it
	podmans = "apiVersion: v1\ndata:\n  password: czNjcmV0\nkind: Secret\nmetadata:\n  creationTimestamp: null\n  name: podsec\nstringData:\n  a: '1'\n  b: \"x\\ty\"\n  user: shop: x\n"
	got, err = DecodeSecret("podsec", []byte(podmans))
	want = map[string][]byte{"password": []byte("s3cret"), "a": []byte("1"), "b": []byte("x\ty"), "user": []byte("shop: x")}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("podman's form with stringData is decoded as %q, %v", got, err)
	}
	for _, plain := range []string{"hunter2", "", "{}", "kind: Secretive\ndata:\n", "data:\n  a: czNjcmV0\n"} {
		if got, err := DecodeSecret("x", []byte(plain)); err == nil {
			t.Errorf("%q is no Secret, but is decoded as %q", plain, got)
		}
	}
}
