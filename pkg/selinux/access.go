package selinux

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/selinux/go-selinux"
)

// Refused tells that the kernel enforces a policy which keeps processes with
// the label from reading files that are labelled as path is, and returns that
// label. What cannot be found out is not refused.
func Refused(process, path string) (label string, refused bool) {
	if process == "" || selinux.EnforceMode() != selinux.Enforcing {
		return "", false
	}
	label, err := selinux.LfileLabel(path)
	if err != nil {
		return "", false
	}
	allowed, err := mayRead(process, label)
	return label, err == nil && !allowed
}

// mayRead asks selinuxfs (kernel, security/selinux/selinuxfs.c,
// sel_write_access): what is written is two labels and a class, what is read
// then begins with the allowed permissions, a hexadecimal set of bits.
func mayRead(process, label string) (bool, error) {
	class, err := number("class/file/index")
	if err != nil {
		return false, err
	}
	read, err := number("class/file/perms/read")
	if err != nil {
		return false, err
	}
	f, err := os.OpenFile(filepath.Join(mountPoint, "access"), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %s %d", process, label, class); err != nil {
		return false, err
	}
	answer := make([]byte, 256)
	n, err := f.Read(answer)
	if err != nil {
		return false, err
	}
	return hasBit(string(answer[:n]), read)
}

func number(name string) (int, error) {
	b, err := os.ReadFile(filepath.Join(mountPoint, name))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// hasBit tells whether the first word of the answer has a permission.
// Permissions are numbered from 1 on.
func hasBit(answer string, permission int) (bool, error) {
	word, _, _ := strings.Cut(answer, " ")
	set, err := strconv.ParseUint(word, 16, 32)
	if err != nil {
		return false, err
	}
	return set>>(permission-1)&1 == 1, nil
}
