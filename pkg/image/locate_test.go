package image

import "testing"

func TestCheckDriverOption(t *testing.T) {
	for option, known := range map[string]bool{
		"": true, "overlay.mount_program=/usr/bin/fuse-overlayfs": true, "size=1g": true, ".ignore_chown_errors=true": true,
		"vfs.imagestore=/srv": true, "Overlay2.MountOpt=nodev": true,
		"bogus=1": false, "overlay.bogus=1": false, "size": false, "zfs.fsname=a": false,
	} {
		if err := CheckDriverOption(option); (err == nil) != known {
			t.Errorf("%q: %v", option, err)
		}
	}
}
