//go:build !amd64 && !arm64

package bundle

// No filter is compiled here for other architectures: the runtime does it.
const nativeArch, compatArch = 0, 0

const nativeCalls, compatCalls = "", ""
