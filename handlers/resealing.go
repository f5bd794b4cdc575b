package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
)

// Resealer brings what a cell has sealed under the primary sealing key. It changes
// nothing but the sealed values, and by compare-and-set: a refresh that writes first
// wins, and the link is read again. Running it twice, or again after it was cut short,
// is harmless: what is under the primary key is passed over.
type Resealer struct {
	Links   links.Store
	Scanner links.Scanner
	Flows   FlowStore
	Keys    PrimarySealer
	// Pace is the pause after each record: refreshes come first.
	Pace time.Duration
	// Patience is the pause before links that were being refreshed are tried again.
	Patience time.Duration
}

// FlowStore keeps consent flows, and lists them.
type FlowStore interface {
	consents.Store
	consents.Scanner
}

// PrimarySealer seals under its primary key; *seal.Keys is one.
type PrimarySealer interface {
	Sealer
	Primary() uint32
}

// Survey says which keys the records of a cell need.
type Survey struct {
	Links, Flows int
	Values       KeyCount

	links []events.Address // with values under another key than the primary one
	flows []string
}

// Resealed is what became of a run.
type Resealed struct {
	// Links and Flows were resealed now.
	Links int `json:"links"`
	Flows int `json:"flows"`
	// Busy links were being refreshed each time: run again.
	Busy int `json:"busy"`
	// Failed values do not open; Problem is one of the reasons.
	Failed  int   `json:"failed"`
	Problem error `json:"-"`
}

// busyRounds is how often links that were being refreshed are tried again.
const busyRounds = 3

// Survey counts the sealed values of all records by key. exact reads each record where
// writes are decided, for a decision that cannot be taken back. Records that cannot be
// read are missing from it: then, and only if nothing else failed, its error holds a
// *links.Unreadable.
func (r *Resealer) Survey(ctx context.Context, exact bool, seen func()) (Survey, error) {
	s := Survey{Values: KeyCount{}}
	var failed error
	each := func(err error) bool {
		if failed = errors.Join(err, ctx.Err()); failed != nil {
			return false
		}
		seen()
		await(ctx, nil, r.Pace)
		return true
	}
	inLinks := r.Scanner.List(ctx, events.Address{}, func(found links.Stored) bool { return each(r.surveyLink(ctx, &s, found, exact)) })
	if failed = cmp.Or(failed, brokenOff(inLinks)); failed != nil {
		return s, failed
	}
	inFlows := r.Flows.List(ctx, func(found consents.Stored) bool {
		s.flow(found.Flow, r.Keys.Primary())
		return each(nil)
	})
	return s, cmp.Or(failed, brokenOff(inFlows), errors.Join(inLinks, inFlows))
}

// brokenOff is why a list is not complete, if that is more than records that it passed over.
func brokenOff(err error) error {
	if passed := (*links.Unreadable)(nil); errors.As(err, &passed) {
		return nil
	}
	return err
}

func (r *Resealer) surveyLink(ctx context.Context, s *Survey, found links.Stored, exact bool) (err error) {
	if exact {
		found, err = r.Links.Latest(ctx, found.Link.Address)
		if errors.Is(err, links.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	l := found.Link
	parts := partsOfLink(&l)
	s.Links++
	s.Values.add(parts)
	if !allUnder(parts, r.Keys.Primary()) {
		s.links = append(s.links, l.Address)
	}
	return nil
}

func (s *Survey) flow(f consents.Flow, primary uint32) {
	parts := partsOfFlow(&f)
	s.Flows++
	s.Values.add(parts)
	if !allUnder(parts, primary) {
		s.flows = append(s.flows, f.Key)
	}
}

// Left is how many records have values under another key than the primary one.
func (s Survey) Left() int { return len(s.links) + len(s.flows) }

func allUnder(parts []part, key uint32) bool {
	for _, p := range parts {
		if id, _ := seal.KeyOf(*p.value); id != key {
			return false
		}
	}
	return true
}

// Run reseals what a survey found.
func (r *Resealer) Run(ctx context.Context, s Survey, done func()) (Resealed, error) {
	var out Resealed
	left := s.links
	for round := 0; ; round++ {
		var err error
		if left, err = r.round(ctx, left, &out, done); err != nil {
			return out, err
		}
		if len(left) == 0 || round == busyRounds {
			break
		}
		await(ctx, nil, r.Patience)
	}
	out.Busy = len(left)
	for _, key := range s.flows {
		written, err := r.flow(ctx, key)
		if err := out.note(written, &out.Flows, err); err != nil {
			return out, err
		}
		done()
		await(ctx, nil, r.Pace)
	}
	return out, ctx.Err()
}

// round tries each link once and returns those that were busy.
func (r *Resealer) round(ctx context.Context, all []events.Address, out *Resealed, done func()) (busy []events.Address, err error) {
	for _, a := range all {
		written, err := r.link(ctx, a)
		if errors.Is(err, errBeingRefreshed) {
			busy = append(busy, a)
			continue
		}
		if err := out.note(written, &out.Links, err); err != nil {
			return nil, err
		}
		done()
		await(ctx, nil, r.Pace)
	}
	return busy, ctx.Err()
}

// note counts one record, and passes on what is not that record's fault.
func (o *Resealed) note(written bool, counter *int, err error) error {
	if errors.Is(err, seal.ErrNotOpened) {
		o.Failed++
		o.Problem = err
		return nil
	}
	if written {
		*counter++
	}
	return err
}

// errBeingRefreshed: a worker that has opened the link's tokens is about to write the
// next ones, and would have to open these again, under a key that it may not have yet.
var errBeingRefreshed = errors.New("the link is being refreshed")

// link reseals one link, however often somebody else writes it meanwhile.
func (r *Resealer) link(ctx context.Context, a events.Address) (written bool, err error) {
	for {
		s, err := r.Links.Latest(ctx, a)
		if errors.Is(err, links.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		l := s.Link
		changed, failed := r.reseal(partsOfLink(&l))
		switch {
		case !changed:
			return false, failed
		case l.Status == links.Refreshing:
			return false, errBeingRefreshed
		}
		if _, err = r.Links.Update(ctx, l, s.Revision); errors.Is(err, links.ErrConflict) {
			continue
		}
		return err == nil, errors.Join(err, failed)
	}
}

// flow is link for a consent flow.
func (r *Resealer) flow(ctx context.Context, key string) (written bool, err error) {
	for {
		s, err := r.Flows.Get(ctx, key)
		if errors.Is(err, links.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		f := s.Flow
		changed, failed := r.reseal(partsOfFlow(&f))
		if !changed {
			return false, failed
		}
		if _, err = r.Flows.Update(ctx, f, s.Revision); errors.Is(err, links.ErrConflict) {
			continue
		}
		return err == nil, errors.Join(err, failed)
	}
}

// reseal brings values under the primary key. What does not open stays as it is, and
// holds up none of the others.
func (r *Resealer) reseal(parts []part) (changed bool, failed error) {
	for _, p := range parts {
		if id, _ := seal.KeyOf(*p.value); id == r.Keys.Primary() {
			continue
		}
		clear, err := r.Keys.Open(p.at, *p.value)
		if err == nil {
			*p.value, err = r.Keys.Seal(p.at, clear)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("reseal: %w", err))
			continue
		}
		changed = true
	}
	return changed, failed
}
