package libpod

import (
	"os"
	"strconv"
	"time"
)

// mainProcess is a monitor that is the main process of a systemd service.
type mainProcess struct {
	pid   int
	start uint64
}

// mainProcess is the container's monitor, if this is a command of the service
// whose main process that is (systemd.service(5), $MAINPID), as ExecStop= is;
// nobody otherwise.
func (c *Container) mainProcess() mainProcess {
	given := os.Getenv("MAINPID")
	if given == "" {
		return mainProcess{}
	}
	st, err := c.State()
	if err != nil || given != strconv.Itoa(st.MonitorPID) {
		return mainProcess{}
	}
	return mainProcess{st.MonitorPID, st.MonitorStart}
}

// mainProcessTime bounds the wait for a monitor that has nothing left to do.
const mainProcessTime = 30 * time.Second

// waitGone waits for the end. A monitor was no child of systemd's when it was
// made known to it, and such a main process is killed, and the service has
// failed, if it still exists when ExecStop= ends.
func (m mainProcess) waitGone() {
	began := time.Now()
	for m.pid != 0 && startTime(m.pid) == m.start && time.Since(began) < mainProcessTime {
		time.Sleep(2 * time.Millisecond)
	}
}
