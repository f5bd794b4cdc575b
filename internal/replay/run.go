package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// Result is what became, or would become, of one message of history.
type Result struct {
	Sequence uint64      `json:"sequence"`
	StoredAt time.Time   `json:"stored_at"`
	Type     events.Name `json:"type,omitempty"`
	events.Address
	// As is the sequence that an input has as a replay.
	As uint64 `json:"as,omitempty"`
	// Left says why it was not replayed.
	Left string `json:"left,omitempty"`
	*api.Explanation
}

// Replay is one run over a selection of history. It is not safe for concurrent use.
type Replay struct {
	Bus *bus.Bus
	Position
	// DryRun asks the workers what would happen, and does nothing.
	DryRun bool
	// Wait holds each message up as long as the rate demands; nil: not at all.
	Wait func(context.Context) error
	// Tell is given every result; nil: nobody is. Save is called after each message whose
	// effect is certain; nil: nothing is kept.
	Tell func(Result) error
	Save func(Position) error

	// kept: a stream takes what is sent.
	kept bool
}

// Begin fixes the end of the history and counts it. It must come before Do.
func (r *Replay) Begin(ctx context.Context) error {
	if r.Selection.To != "" {
		if err := r.look(ctx); err != nil {
			return err
		}
	}
	h, err := r.Bus.History(ctx, r.Selection.spec(r.Bus.Names(), r.Done))
	if err != nil {
		return err
	}
	if r.Selection.Last == 0 || r.Selection.Last > h.Last {
		r.Selection.Last = h.Last
	}
	if r.Stored == 0 {
		r.Stored = h.Last
	}
	after := r.Selection.spec(r.Bus.Names(), r.Selection.Last)
	if past := r.Selection.Until; !past.IsZero() {
		after = r.Selection.spec(r.Bus.Names(), 0)
		after.From, after.Since = 0, past
	}
	beyond, err := r.Bus.History(ctx, after)
	if err != nil {
		return err
	}
	r.Counts.Total = r.Counts.Seen + h.Count - min(h.Count, beyond.Count)
	if r.Counts.Verdicts == nil {
		r.Counts.Verdicts = map[string]uint64{}
	}
	return nil
}

// errEnd ends the reading of history at the selection's end.
var errEnd = errors.New("end of the selection")

// Do goes through the history. Where ctx ends it stops between two messages.
func (r *Replay) Do(ctx context.Context) error {
	if !r.DryRun && r.Selection.To == "" {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
	}
	err := r.Bus.Watch(ctx, r.Selection.spec(r.Bus.Names(), r.Done), func(m *inbox.Message) error {
		past, before := r.Selection.place(m)
		switch {
		case past:
			return errEnd
		case before:
			return nil
		}
		return r.one(ctx, m)
	})
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// catchUp finds what a run that was killed had published and not noted.
func (r *Replay) catchUp(ctx context.Context) error {
	spec := r.Selection.spec(r.Bus.Names(), r.Stored)
	return r.Bus.Watch(ctx, spec, func(m *inbox.Message) error {
		if original, ok := events.Replays(m.Header); ok && events.Run(m.Header) == r.Run && original > r.Done {
			r.Done, r.Stored = original, m.Sequence
		}
		return nil
	})
}

func (r *Replay) one(ctx context.Context, m *inbox.Message) error {
	if r.Wait != nil {
		if err := r.Wait(ctx); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	result, err := r.replay(context.WithoutCancel(ctx), m)
	if err != nil {
		return fmt.Errorf("number %d: %w", m.Sequence, err)
	}
	r.count(result)
	r.Done = m.Sequence
	if r.Tell != nil {
		if err := r.Tell(result); err != nil {
			return err
		}
	}
	if r.Save != nil {
		return r.Save(r.Position)
	}
	return nil
}

func (r *Replay) count(result Result) {
	r.Counts.Seen++
	switch {
	case result.Left != "":
		r.Counts.Left++
	case result.Explanation != nil:
		r.Counts.Verdicts[string(result.Verdict)]++
		if result.Calls {
			r.Counts.Calls++
		}
	default:
		r.Counts.Replayed++
	}
}

func (r *Replay) replay(ctx context.Context, m *inbox.Message) (Result, error) {
	result := Result{Sequence: m.Sequence, StoredAt: m.StoredAt.UTC()}
	if r.Selection.To != "" {
		result.Address, result.Type, _ = r.Bus.Names().Subjects().ParseOut(m.Subject)
		if r.DryRun {
			result.Explanation = &api.Explanation{Verdict: api.Acts, Reason: "sent", Sentence: "it would be sent to " + r.Selection.To}
			return result, nil
		}
		return result, r.send(ctx, m)
	}
	result.Address, result.Type, _ = r.Bus.Names().Subjects().ParseIn(m.Subject)
	if _, again := events.Replays(m.Header); again {
		result.Left = "it is a replay itself: its original is history, too"
		return result, nil
	}
	again, err := r.Bus.Names().Subjects().Replay(events.Original{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: m.Sequence, StoredAt: m.StoredAt,
	}, r.Run)
	if invalid := (*events.Invalid)(nil); errors.As(err, &invalid) {
		result.Left = fmt.Sprintf("the workers would refuse it again: %s in %s", invalid.Reason, invalid.Field)
		return result, nil
	}
	if err != nil {
		return result, err
	}
	if r.DryRun {
		return r.explain(ctx, result, again)
	}
	result.As, err = r.Bus.StoreInput(ctx, again)
	if errors.Is(err, bus.ErrUnknownProvider) {
		result.Left = err.Error()
		return result, nil
	}
	r.Stored = max(r.Stored, result.As)
	return result, err
}

// explain asks a worker what would become of a replay.
func (r *Replay) explain(ctx context.Context, result Result, m events.Message) (Result, error) {
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		return result, err
	}
	invalid := (*events.Invalid)(nil)
	if err := events.Check(e, result.Address, result.Type); errors.As(err, &invalid) {
		result.Explanation = &api.Explanation{Verdict: api.Refused, Reason: invalid.Reason, Field: invalid.Field, Sentence: "no worker takes it (" + invalid.Field + ")"}
		return result, nil
	}
	question, err := Question(e, events.FirstStored(m.Header, result.StoredAt))
	if err != nil {
		return result, err
	}
	result.Explanation = new(api.Explanation)
	return result, r.Bus.Request(ctx, r.Bus.Names().Subjects().APILink(result.Address, api.VerbExplain), question, result.Explanation)
}
