package monitor

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Exit codes for what is not the container's own doing, as podman-run(1) has them.
const (
	exitFailed   = 125 // carob failed
	exitNoExec   = 126 // the runtime refused to run the command as asked
	exitNotFound = 127 // the command is not there
	exitTimeout  = 255 // killed by Config.Timeout
)

// runtimeFailure returns the exit code and the words for a runtime that
// ended with code while making or starting the container.
func (s *supervisor) runtimeFailure(code int) (int, string) {
	name := filepath.Base(s.cfg.Runtime[0])
	text := lastError(s.runtimeLog())
	if text == "" {
		return exitNoExec, name + ": " + s.run.verb + " ended with exit code " + strconv.Itoa(code) + " and no word: OCI runtime error"
	}
	exit, class := classify(text, exitNoExec)
	return exit, name + ": " + text + ": " + class
}

// classify sorts the runtime's words, of which it has no code, by what they
// say. other is the code for all the rest.
func classify(text string, other int) (code int, class string) {
	low := strings.ToLower(text)
	switch {
	case strings.Contains(low, "permission denied"), strings.Contains(low, "operation not permitted"):
		return exitNoExec, "OCI permission denied"
	case strings.Contains(low, "exec") && strings.Contains(low, "no such file or directory"),
		strings.Contains(low, "executable file") && strings.Contains(low, "not found"):
		return exitNotFound, "OCI runtime attempted to invoke a command that was not found"
	case strings.Contains(low, "no such file or directory"): // a sysctl or a working directory: podman's code, but not its words
		return exitNotFound, "OCI runtime error"
	}
	return other, "OCI runtime error"
}

// lastError is the last error in a runtime's JSON log (crun and runc write
// the same keys), without the prefix runc puts before what went wrong.
func lastError(path string) string {
	data, err := readFile(path)
	if err != nil {
		return ""
	}
	found := ""
	for line := range strings.Lines(string(data)) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &entry) == nil && (entry.Level == "error" || entry.Level == "fatal") {
			found = entry.Msg
		}
	}
	for _, prefix := range []string{"runc run failed: ", "runc create failed: ", "unable to start container process: ", "starting container process caused: "} {
		found = strings.TrimPrefix(found, prefix)
	}
	return strings.TrimSpace(found)
}

// watchForExec keeps the first words of a run if they may be the runtime's:
// when execve itself fails, after the runtime has gone, they are all there is.
func (s *supervisor) watchForExec(chunk []byte) {
	if !s.run.spoke && len(chunk) < 1024 && bytes.Contains(chunk, []byte("xec format error")) {
		s.run.execError = string(chunk)
	}
	s.run.spoke = true
}

// judgeExit gives a command that could not be executed its exit code.
func (s *supervisor) judgeExit() {
	if s.run.execError == "" || s.run.code != 1 && s.run.code != 255 || time.Since(s.run.started) > time.Second {
		return
	}
	text := strings.TrimSpace(s.run.execError)
	var entry struct{ Msg string }
	if json.Unmarshal([]byte(text), &entry) == nil && entry.Msg != "" {
		text = entry.Msg
	}
	s.run.code, s.rec.ExitCode = exitNoExec, exitNoExec
	s.rec.Error = filepath.Base(s.cfg.Runtime[0]) + ": " + text
}
