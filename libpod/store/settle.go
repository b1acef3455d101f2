package store

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// settling is what a process has committed to the log and the disk may not
// have yet.
type settling struct {
	sync.Mutex
	wanted atomic.Bool
}

// Settle waits until a power cut cannot take any more what this process has
// made or changed: containers that are kept, pods, volumes, secrets. Others, as
// removals, which begin anew, are left to the kernel, which writes them within
// half a minute.
//
// fdatasync(2) of the write-ahead log is enough: SQLite itself syncs what it
// moves from there into the database.
func (d *DB) Settle() error {
	d.settling.Lock()
	defer d.settling.Unlock()
	if !d.settling.wanted.Swap(false) {
		return nil
	}
	err := syncFile(d.log)
	if err != nil {
		d.settling.wanted.Store(true) // for who asks next
		return fmt.Errorf("cannot write carob's state to the disk: %w", err)
	}
	return nil
}

// SettleSoon does so beside what the process does next. The last Settle of the
// process tells whether it has failed.
func (d *DB) SettleSoon() {
	if d.settling.wanted.Load() {
		go d.Settle()
	}
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a checkpoint has synced all of it
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd())))
}
