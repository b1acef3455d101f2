package vm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// powerCut is the group, as it were, of the machine whose power is cut.
const powerCut = "power-cut"

// cutEnv has the number of power cuts, and seedEnv what decides their moments.
const (
	cutEnv    = "CAROB_VM_CUTS"
	seedEnv   = "CAROB_VM_SEED"
	cuts      = 10
	cutsLimit = 8 * time.Minute // for one boot, with all that is done in it
)

// What the machine says before and after it looks at what a power cut has
// left (powercutguest_test.go).
const (
	wordUp      = "cut: up"       // the user's service manager runs, units are starting
	wordSound   = "cut: sound"    // all is as it should be
	wordWorking = "cut: working"  // starts, pulls and writes begin
	wordRow     = "cut: row "     // the database has committed it
	wordResumed = "cut: resumed " // the last row that the database has found
	wordFile    = "cut: file "    // a file in a volume was written and synced
)

// cutter boots a machine and cuts its power.
type cutter struct {
	d      *disks
	random *rand.Rand
	row    int // the last one that the database has told of
	found  int // the last one that it has found after a cut
	files  int // in volumes, all told
	broken []string
}

// cutPower ends a machine in the middle of starts, pulls and writes, time and
// again, and boots it again from the same disk. What the guest had only in its
// memory is gone then, and so may be what it has written to new places of its
// disk since it last flushed that. All that was acknowledged must be there.
func cutPower(t *testing.T, d *disks) {
	n, err := number(cutEnv, cuts)
	seed, err2 := number(seedEnv, int(time.Now().UnixNano()%1e6))
	if err := errors.Join(err, err2, d.reset()); err != nil {
		t.Error(err)
		return
	}
	fmt.Printf("%s: %d power cuts, %s=%d\n", powerCut, n, seedEnv, seed)
	c := &cutter{d: d, random: rand.New(rand.NewPCG(uint64(seed), 0))}
	began := time.Now()
	for i := range n + 1 {
		if err := c.boot(i, i == n); err != nil {
			t.Errorf("boot %d: %v\nthe console's end:\n%s", i+1, err, d.consoleTail())
			return
		}
	}
	fmt.Printf("vm: %d power cuts in %s: the database has kept its %d rows, volumes %d files\n", n, time.Since(began).Round(time.Second), c.found, c.files)
	if c.row == 0 || c.files == 0 {
		t.Errorf("nothing was written: %d rows, %d files", c.row, c.files)
	}
}

func number(name string, preset int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return preset, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return n, err
}

// boot runs the machine until the cut, the last time until all is well.
func (c *cutter) boot(i int, last bool) error {
	after := []string{wordWorking, wordUp, wordFile, wordUp}[i%4] // wordUp: while units are starting
	delay := time.Duration(c.random.IntN(6000)) * time.Millisecond
	if last {
		after, delay = wordResumed, 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), cutsLimit)
	defer cancel()
	c.broken = nil
	began, cut := time.Now(), false
	err := c.d.boot(ctx, emulation, machineWord+powerCut+" "+cutKernel, func(line string) {
		if !strings.HasPrefix(line, wordRow) && !strings.HasPrefix(line, wordFile) {
			fmt.Printf("%s: %s [%.1f s]\n", powerCut, line, time.Since(began).Seconds())
		}
		c.note(line)
		if strings.HasPrefix(line, after) && !cut {
			cut = true
			fmt.Printf("%s: boot %d: the cut comes %s after %q\n", powerCut, i+1, delay, after)
			time.AfterFunc(delay, cancel)
		}
	})
	switch {
	case len(c.broken) > 0:
		return errors.New(strings.Join(c.broken, "\n"))
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("cannot wait longer than %s for %q", cutsLimit, after)
	case !cut:
		return fmt.Errorf("the machine ended before its power was cut: %w", err)
	}
	return nil
}

func (c *cutter) note(line string) {
	if why, ok := strings.CutPrefix(line, wordFailed); ok {
		c.broken = append(c.broken, why)
	}
	if strings.HasPrefix(line, wordFile) {
		c.files++
	}
	if text, ok := strings.CutPrefix(line, wordRow); ok {
		n, err := strconv.Atoi(text)
		if err == nil { // the line may be cut, too
			c.row = max(c.row, n)
		}
	}
	if text, ok := strings.CutPrefix(line, wordResumed); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < c.row {
			c.broken = append(c.broken, fmt.Sprintf("the database has committed row %d, and now finds %q", c.row, text))
		}
		c.found = n
	}
}
