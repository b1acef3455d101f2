package monitor

// RuntimeError reads the log of an OCI runtime (--log-format json) and returns
// the exit code (125, 126 or 127) and the words for its last error; no words
// when it logged none. It is for those who call the runtime name themselves.
func RuntimeError(name, log string) (int, string) {
	text := lastError(log)
	if text == "" {
		return 0, ""
	}
	code, class := classify(text)
	return code, name + ": " + text + ": " + class
}
