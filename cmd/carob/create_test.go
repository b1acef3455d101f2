package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestClaimCIDFile: also where there are no hard links it is made by one alone,
// and no other file stays.
func TestClaimCIDFile(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for name, link := range map[string]func(string, string) error{
		"links": os.Link,
		"no links": func(tmp, path string) error {
			return &os.LinkError{Op: "link", Old: tmp, New: path, Err: syscall.EPERM}
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "cid")
		if err := claimCIDFile(path, id, link); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := claimCIDFile(path, strings.ToUpper(id), link); err == nil || !strings.Contains(err.Error(), "container id file exists") {
			t.Errorf("%s: claimed again: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != id {
			t.Errorf("%s: it holds %q, %v", name, got, err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
			t.Errorf("%s: there are %v, %v", name, all, err)
		}
	}
	err := claimCIDFile(filepath.Join(t.TempDir(), "nosuch", "cid"), id, os.Link)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its directory: %v", err)
	}
}
