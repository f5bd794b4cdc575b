package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// Traces are what the streams beside a record know of its link. *bus.Bus has them.
type Traces interface {
	// Announced is the generation that the link's last stored event named, and that
	// event's number; 0 where there is none.
	Announced(ctx context.Context, a events.Address) (generation, number uint64, err error)
	// Armed is the number of the link's timer that has not fired.
	Armed(ctx context.Context, a events.Address) (number uint64, ok bool, err error)
}

// Restorer sees to links whose store was restored from a copy, one compare-and-set each:
// a worker that writes first wins, and the link is judged again. Running it twice is
// harmless.
type Restorer struct {
	// At is when the copy was made, late rather than early (links.Copy).
	At       time.Time
	Profiles map[string]providers.Profile
	Store    links.Store
	Scanner  links.Scanner
	Keys     Sealer
	Traces   Traces
	Subjects events.Subjects
	Timers   Timers
	Outputs  Outputs
	Budget   budget.Budget
	Clock    func() time.Time
	// Pace is the pause after each link.
	Pace time.Duration
}

// RestoredLink is what became of one link, or would.
type RestoredLink struct {
	events.Address
	Fate       links.Fate   `json:"fate,omitempty"`
	Status     links.Status `json:"status,omitempty"`
	Generation uint64       `json:"generation"`
	// Problem says why nothing became of it.
	Problem string `json:"problem,omitempty"`
}

// Links lists the links that there are to see to; it ends with a *links.Unreadable where
// those are not all.
func (r *Restorer) Links(ctx context.Context, filter events.Address) (all []events.Address, err error) {
	err = r.Scanner.List(ctx, filter, func(s links.Stored) bool {
		all = append(all, s.Link.Address)
		return ctx.Err() == nil
	})
	return all, err
}

// Each judges the links, writes what is to be written unless dry, and tells of each. A
// link that cannot be read or opened is told with its problem, and holds up no other.
func (r *Restorer) Each(ctx context.Context, all []events.Address, dry bool, tell func(RestoredLink)) error {
	for _, a := range all {
		next, fate, err := r.one(ctx, a, dry)
		told := RestoredLink{Address: a, Fate: fate, Status: next.Status, Generation: next.Generation}
		switch {
		case errors.Is(err, links.ErrNotFound):
			continue
		case errors.Is(err, seal.ErrNotOpened), errors.Is(err, links.ErrRecord):
			told.Problem = err.Error()
		case err != nil:
			return err
		}
		tell(told)
		await(ctx, nil, r.Pace)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// one sees to one link, however often somebody else writes it meanwhile. Its timer is
// armed also where nothing is written: an earlier run may have been cut short.
func (r *Restorer) one(ctx context.Context, a events.Address, dry bool) (links.Link, links.Fate, error) {
	for {
		s, err := r.Store.Latest(ctx, a)
		if err != nil {
			return s.Link, "", err
		}
		next, fate, err := r.judge(ctx, s)
		if err != nil || dry {
			return next, fate, err
		}
		if next.DueNumber != s.Link.DueNumber {
			_, err = r.Store.Update(ctx, next, s.Revision)
		}
		if errors.Is(err, links.ErrConflict) {
			continue
		}
		if err == nil && fate != links.FateNewer {
			err = r.finish(ctx, next)
		}
		return next, fate, err
	}
}

func (r *Restorer) finish(ctx context.Context, l links.Link) error {
	f := &finisher{Subjects: r.Subjects, Timers: r.Timers, Outputs: r.Outputs, known: newKnown(1), Limit: r.Budget.Recovery}
	return f.finish(ctx, l, everythingMayBeStored, false)
}

func (r *Restorer) judge(ctx context.Context, s links.Stored) (links.Link, links.Fate, error) {
	c, err := r.copied(ctx, s.Link)
	if err != nil {
		return s.Link, "", err
	}
	p := r.Profiles[s.Link.Provider] // one that is not configured any more forbids
	next, fate := s.Link.Restored(c, s.StoredAt, r.Clock(), RulesOf(p, r.Budget.DeadlineOnce, r.Budget))
	return next, fate, nil
}

// copied is what is known about the copy of one link.
func (r *Restorer) copied(ctx context.Context, l links.Link) (c links.Copy, err error) {
	c.At = r.At
	if c.Generation, c.Event, err = r.Traces.Announced(ctx, l.Address); err != nil {
		return c, fmt.Errorf("look up the last event of link %s: %w", l.Address, err)
	}
	if c.Due, _, err = r.Traces.Armed(ctx, l.Address); err != nil {
		return c, fmt.Errorf("look up the timer of link %s: %w", l.Address, err)
	}
	if c.Generation > l.Generation && len(l.Sealed) > 0 {
		c.Sealed, err = r.resealed(l, c.Generation)
	}
	return c, err
}

// resealed binds a link's tokens to another generation.
func (r *Restorer) resealed(l links.Link, generation uint64) ([]byte, error) {
	clear, err := r.Keys.Open(binding(kindTokens, l.Address, l.Consent, l.Generation), l.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open tokens of link %s generation %d: %w", l.Address, l.Generation, err)
	}
	return r.Keys.Seal(binding(kindTokens, l.Address, l.Consent, generation), clear)
}
