package libpod

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/carob-containers/carob/pkg/eventlog"
	"github.com/carob-containers/carob/pkg/userns"
)

// ownEvents are the matches for the events of this user's carob. The journal
// has them of all graph roots.
func ownEvents() []string {
	return []string{"SYSLOG_IDENTIFIER=" + eventlog.Identifier, "_UID=" + strconv.Itoa(userns.RealUID())}
}

// journalLag is how long after an event its entry may come: journald is told
// of it later, and writes it down later still.
const journalLag = 2 * time.Second

// emptySpan tells that nothing can lie between two times, zero for no limit:
// journalctl takes that for a mistake.
func emptySpan(since, until time.Time) bool {
	return !since.IsZero() && !until.IsZero() && !since.Before(until)
}

// journalEvents calls each for the events in the journal, oldest first.
func journalEvents(ctx context.Context, o *EventOptions, each func(*Event) error) error {
	if emptySpan(o.Since, o.Until) {
		return nil
	}
	args := ownEvents()
	switch {
	case o.OnlyNew:
		args = append(args, "--follow", "--lines=0")
	case o.Follow:
		args = append(args, "--follow", "--no-tail")
	case !o.Until.IsZero():
		args = append(args, "--until=@"+journalTime(o.Until.Add(journalLag)))
	}
	if !o.Since.IsZero() {
		args = append(args, "--since=@"+journalTime(o.Since))
	}
	err := journalctl(ctx, args, func(line []byte) error {
		e, err := eventlog.ParseEntry(line)
		if err != nil {
			return nil // anybody may write to the journal
		}
		return each(e)
	})
	if err == nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = ctx.Err()
	}
	return journalEventsError(err)
}

func journalEventsError(err error) error {
	var failed *journalError
	switch {
	case errors.Is(err, errNoJournalctl):
		return fmt.Errorf("cannot read the events: they are in the journal, and %w", err)
	case errors.As(err, &failed):
		return WithHint(fmt.Errorf("cannot read the events from the journal: %w", err), journalHint)
	}
	return err
}

// lastJournalEvent is lastEvent for events in the journal. The event may be
// on its way there yet.
func (rt *Runtime) lastJournalEvent(ctx context.Context, id, status string) (last *Event, err error) {
	args := append(ownEvents(), "PODMAN_ID="+id, "PODMAN_EVENT="+status, "--reverse", "--lines=1")
	for deadline := time.Now().Add(journalLag); ; {
		err = journalctl(ctx, args, func(line []byte) error {
			last, err = eventlog.ParseEntry(line)
			return err
		})
		if last != nil || err != nil || ctx.Err() != nil || time.Now().After(deadline) {
			return last, journalEventsError(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
