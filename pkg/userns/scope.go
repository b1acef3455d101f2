package userns

// leaveSession moves the keeper out of the login session's cgroup.
func leaveSession(pid int) {}
