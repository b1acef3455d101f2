package bundle

import "golang.org/x/sys/unix"

// What seccomp_data.arch holds for calls of 64 and of 32 bit programs.
const nativeArch, compatArch = unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM
