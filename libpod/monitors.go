package libpod

import (
	"os"
	"path/filepath"

	"github.com/carob-containers/carob/libpod/monitor"
)

// Monitors returns the pids of the living monitors of the state below
// stateDir (<graphroot>/carob). It needs no namespace and no database: it is
// how the way back is found when the keeper was killed.
func Monitors(stateDir string) []int {
	records, err := filepath.Glob(filepath.Join(stateDir, "containers", "*", monitor.RecordFile))
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range records {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		locked, err1 := monitor.RecordLocked(int(f.Fd()))
		rec, err2 := monitor.ReadRecord(int(f.Fd()))
		f.Close()
		if err1 == nil && err2 == nil && locked && startTime(rec.MonitorPID) == rec.MonitorStart && rec.MonitorPID > 0 {
			pids = append(pids, rec.MonitorPID)
		} else if err2 == nil && rec.PID > 0 && startTime(rec.PID) == rec.PIDStart {
			pids = append(pids, rec.PID) // its monitor was killed too: its process still holds the namespace
		}
	}
	return pids
}
