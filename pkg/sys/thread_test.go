package sys

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOnThreadUsesAThreadOnce(t *testing.T) {
	for range 200 {
		var tid int
		want := errors.New("told")
		if err := OnThread(func() error { tid = unix.Gettid(); return want }); err != want {
			t.Fatalf("got %v", err)
		}
		if tid == os.Getpid() {
			t.Fatal("ran on the first thread")
		}
		gone := false
		for range 1000 {
			if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid)); errors.Is(err, os.ErrNotExist) {
				gone = true
				break
			}
			time.Sleep(time.Millisecond)
		}
		if !gone {
			t.Fatalf("thread %d lives on", tid)
		}
	}
}
