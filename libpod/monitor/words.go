package monitor

// execFailed is podman's exit code for an exec that failed otherwise than
// because its command was not found (127) or not allowed (126).
const execFailed = 255

// RuntimeError reads the log of an OCI runtime's exec (--log-format json) and
// returns the exit code (126, 127 or 255) and the words for its last error; no
// words when it logged none. It is for those who call the runtime name
// themselves.
func RuntimeError(name, log string) (int, string) {
	text := lastError(log)
	if text == "" {
		return 0, ""
	}
	code, class := classify(text, execFailed)
	return code, name + ": " + text + ": " + class
}

// MayBeRuntimeError tells that a line has words which OCI runtimes end with when
// they cannot execute a command.
func MayBeRuntimeError(line string) bool {
	code, _ := classify(line, 0)
	return code != 0
}
