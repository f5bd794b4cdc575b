package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// HeaderDue carries a timer's number, on the schedule and on the due event.
const HeaderDue = "Regrant-Due"

// dueTTL is how long a due event that nobody takes stays. It is far beyond any
// outage that the timers are to survive; the reconciler covers the rest.
const dueTTL = "720h"

// Timer is the one schedule of a link: the earliest thing that is due.
type Timer struct {
	Address events.Address
	// Number is the version of the link's due that the timer stands for. It never falls.
	Number uint64
	// At is when it fires; a time past fires at once. The server fires no sooner
	// than about 250 ms after it was armed.
	At time.Time
}

// Arm returns nil once a timer with this number or a higher one is known to be
// stored, or to have fired. A lower one is replaced, a higher one never: the
// schedule names the sequence that it replaces, and the server refuses it when
// another worker was faster. On any other outcome it returns an error, and the
// caller must not acknowledge what depends on the timer.
func (b *Bus) Arm(ctx context.Context, t Timer) error {
	for {
		stored, err := b.armed(ctx, t.Address)
		if err == nil && stored.exists && stored.number >= t.Number {
			return nil
		}
		if err == nil {
			_, err = b.publishOnce(ctx, b.schedule(t, stored.sequence))
		}
		// A refusal for the sequence and an unknown outcome have the same answer:
		// look what is stored now. (Repeating blindly would not do: a repetition
		// whose first try was stored is refused because of that very try.)
		if err == nil || final(err) && !sequenceConflict(err) {
			return wrapArm(t, b.explain(err))
		}
		if ctxErr := b.pause(ctx); ctxErr != nil {
			return wrapArm(t, fmt.Errorf("%w: %w (last: %w)", ErrUnconfirmed, ctxErr, err))
		}
	}
}

// Foreseen is a link's timer as it was before it was known what is to be armed.
type Foreseen struct{ stored storedTimer }

// Foresee reads the link's timer for ArmOver.
func (b *Bus) Foresee(ctx context.Context, a events.Address) (Foreseen, error) {
	stored, err := b.armed(ctx, a)
	return Foreseen{stored}, err
}

// ArmOver is Arm for a caller who had time to read before: it spares that exchange
// where nobody armed the link meanwhile, and the server's refusal tells. A number that
// is not below t's excuses from nothing: that timer may have fired, and its due event
// been answered, before there was something to be armed.
func (b *Bus) ArmOver(ctx context.Context, t Timer, seen Foreseen) error {
	if seen.stored.number < t.Number {
		if _, err := b.publishOnce(ctx, b.schedule(t, seen.stored.sequence)); err == nil {
			return nil
		}
	}
	return b.Arm(ctx, t)
}

func wrapArm(t Timer, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("arm timer %d of %s: %w", t.Number, t.Address, err)
}

// Armed is the number of the link's timer that is stored and has not fired.
func (b *Bus) Armed(ctx context.Context, a events.Address) (number uint64, ok bool, err error) {
	stored, err := b.armed(ctx, a)
	return stored.number, stored.exists, err
}

// storedTimer is what the timer's subject holds; the zero value means nothing.
type storedTimer struct {
	exists   bool
	number   uint64
	sequence uint64
}

// armed reads the link's timer. One without a readable number was not armed by
// us and counts as number 0: any timer may replace it.
func (b *Bus) armed(ctx context.Context, a events.Address) (storedTimer, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Budget.Heartbeat)
	defer cancel()
	msg, err := b.last(ctx, b.names.Timer(), b.names.Subjects().Timer(a))
	if err != nil || msg == nil {
		return storedTimer{}, err
	}
	number, err := strconv.ParseUint(msg.Header.Get(HeaderDue), 10, 64)
	return storedTimer{exists: err == nil, number: number, sequence: msg.Sequence}, nil
}

// schedule is the message that the server turns into a due event. The client
// library's own option for the time rounds down to whole seconds and fires early.
func (b *Bus) schedule(t Timer, replaces uint64) *nats.Msg {
	s := b.names.Subjects()
	msg := nats.NewMsg(s.Timer(t.Address))
	msg.Header.Set(jetstream.ScheduleHeader, "@at "+t.At.UTC().Format(time.RFC3339Nano))
	msg.Header.Set(jetstream.ScheduleTargetHeader, s.Due(t.Address))
	msg.Header.Set(jetstream.ScheduleTTLHeader, dueTTL)
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(replaces, 10))
	msg.Header.Set(HeaderDue, strconv.FormatUint(t.Number, 10))
	return msg
}
