package handlers

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/tracing"
)

// everythingMayBeStored as the first event that is certainly not stored: ask the
// stream. A writer names the first event of its own write instead.
const everythingMayBeStored = math.MaxUint64

// finisher brings what a record decided to the streams. It is the part of the
// handlers that whoever writes a record needs.
type finisher struct {
	Subjects events.Subjects
	Timers   Timers
	Outputs  Outputs
	Probe    Probe
	Tracer   tracing.Tracer
	known    *known
	// Limit bounds one finish: what it does not reach is kept, said, and tried again.
	Limit time.Duration
}

// finish does what a record says is to be done, in the order in which everybody
// does it: timer, outbox, memory (model: settimer, outbox, learn). It is given
// the record as it was written or read by the caller, whatever it says by now:
// only a newer timer excuses from arming, only a stored event from publishing.
// unsent is the first event that is certainly not stored yet. rearm says that
// the timer has fired and memory of it counts no more.
func (f *finisher) finish(ctx context.Context, l links.Link, unsent uint64, rearm bool) error {
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	defer cancel()
	if err := f.arm(ctx, l, rearm); err != nil {
		return err
	}
	if err := f.publish(ctx, l, unsent); err != nil {
		return err
	}
	return f.Probe.around(StepKnown, l.Address, func() error {
		f.known.learn(l.Address, fact{generation: l.Generation, stored: l.EventNumber, armed: l.DueNumber})
		return nil
	})
}

func (f *finisher) arm(ctx context.Context, l links.Link, rearm bool) error {
	at := l.Alarm()
	if at.IsZero() || (!rearm && f.known.of(l.Address).armed >= l.DueNumber) {
		return nil
	}
	err := f.Probe.around(StepTimer, l.Address, func() error {
		return f.Timers.Arm(ctx, l.Address, l.DueNumber, at)
	})
	if err != nil {
		return fmt.Errorf("arm timer of link %s: %w", l.Address, err)
	}
	return nil
}

// catchUp publishes what others left in the outbox, if they did. The timer that goes with
// it comes first here too: whoever hears of an event acks the report whose redelivery
// would have armed it.
func (f *finisher) catchUp(ctx context.Context, l links.Link) error {
	owed, err := f.owed(ctx, l, everythingMayBeStored)
	if err != nil || len(owed) == 0 {
		return err
	}
	if err := f.arm(ctx, l, false); err != nil {
		return err
	}
	return f.send(ctx, l, owed)
}

// publish brings the outbox to the stream.
func (f *finisher) publish(ctx context.Context, l links.Link, unsent uint64) error {
	owed, err := f.owed(ctx, l, unsent)
	if err != nil {
		return err
	}
	return f.send(ctx, l, owed)
}

// owed are the entries of the outbox that are not known to be stored, after a look at the
// stream where memory does not know and an earlier one may be.
func (f *finisher) owed(ctx context.Context, l links.Link, unsent uint64) ([]links.Entry, error) {
	stored := f.known.of(l.Address).stored
	if len(l.Outbox) == 0 || stored >= l.EventNumber {
		return nil, nil
	}
	if l.Outbox[0].Number < unsent {
		last, err := f.Outputs.Last(ctx, l.Address)
		if err != nil {
			return nil, fmt.Errorf("look up the last event of link %s: %w", l.Address, err)
		}
		stored = max(stored, last)
	}
	from := slices.IndexFunc(l.Outbox, func(e links.Entry) bool { return e.Number > stored })
	if from < 0 {
		return nil, nil
	}
	return l.Outbox[from:], nil
}

// send publishes each entry only after the one before it is confirmed.
func (f *finisher) send(ctx context.Context, l links.Link, owed []links.Entry) error {
	for _, entry := range owed {
		if err := f.publishEntry(ctx, l.Address, entry); err != nil {
			return fmt.Errorf("publish event %d of link %s: %w", entry.Number, l.Address, err)
		}
	}
	return nil
}

func (f *finisher) publishEntry(ctx context.Context, a events.Address, entry links.Entry) error {
	m, err := f.Subjects.StoredOutput(entry.Event)
	if err != nil {
		return err
	}
	ctx, span := f.traceSend(ctx, a, entry)
	err = f.Probe.around(StepOutbox, a, func() error { return f.Outputs.Publish(ctx, m) })
	span.End(tracing.Unless(err, "not_confirmed"))
	return err
}

// finishRead settles a report or a timer that has nothing to do: a newer
// generation, or a state that waits for something else. What the record still
// owes is done first: whoever owed it may be dead.
func (h *Handlers) finishRead(ctx context.Context, j *job, l links.Link, d links.Decision) inbox.Verdict {
	if j.course == (course{}) { // settled without a turn of its own
		j.decided(d)
	}
	if err := h.fin.finish(ctx, l, everythingMayBeStored, j.trigger.Timer); err != nil {
		return h.unfinished(j, err)
	}
	if !j.trigger.Timer {
		h.Metrics.Stale.WithLabelValues(j.addr.Provider, "read").Inc()
	}
	h.logger(j.addr).Debug("nothing to do", "reason", d.Reason, "generation", l.Generation, "status", l.Status)
	h.Probe.at(StepAck, Before, j.addr)
	return inbox.Done()
}

// finishWrite settles a message whose decision is written.
func (h *Handlers) finishWrite(ctx context.Context, j *job, was, l links.Link) inbox.Verdict {
	if err := h.fin.finish(ctx, l, was.EventNumber+1, j.trigger.Timer); err != nil {
		return h.unfinished(j, err)
	}
	h.Probe.at(StepAck, Before, j.addr)
	return inbox.Done()
}

// unfinished keeps the message: its redelivery finishes.
func (h *Handlers) unfinished(j *job, err error) inbox.Verdict {
	h.logger(j.addr).Warn("not finished; the message is kept and tried again", "err", err)
	return inbox.Later(h.Budget.LockRenew)
}
