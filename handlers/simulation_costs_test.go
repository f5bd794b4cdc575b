package handlers_test

import (
	"bytes"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Some safeguards break nothing when they are gone, and cost something: a read, a
// question, a subscriber's trust in a word.

// judgeUnread: a report of a generation whose successor the worker has heard of is settled
// by a look at its headers.
func (w *world) judgeUnread(p *process, m *message) {
	if g, ok := events.GenerationOf(m.Header); ok && m.Stream == "REGRANT_IN" && g < p.heard {
		w.t.Errorf("a report of generation %d is read by %s, which has heard of generation %d", g, p.name, p.heard)
	}
}

// rarelyAsked: an absent owner of a session is not asked twice within the least time
// between two questions, by the clock of a worker that asked both.
func (s *watched) rarelyAsked(by *task, was, is links.Link) {
	if by == nil || is.Awaiting == nil || was.Awaiting != nil && is.Awaiting.AskedAt.Equal(was.Awaiting.AskedAt) {
		return
	}
	if was.Awaiting != nil && s.askedBy == by.p {
		if d := is.Awaiting.AskedAt.Sub(was.Awaiting.AskedAt); d >= 0 && d < s.w.budget.LockTTL {
			s.w.t.Errorf("credentials are asked for again after %v", d)
		}
	}
	s.askedBy = by.p
}

// refusedThen remembers for which generations an attempt was made because their bearer
// had been refused.
func (s *watched) refusedThen(by *task, was, is links.Link) {
	if by == nil || by.msg == nil || by.msg.Stream != "REGRANT_IN" || len(is.Attempts) <= len(was.Attempts) {
		return
	}
	if d, ok := inputOf[events.TokenExpired](by.msg); ok && d.Reason == events.ReasonUnauthorized {
		s.refused[was.Generation] = true
	}
}

// judgeWord: a bearer that was refused is not said to live on beside its successor.
func (w *world) judgeWord(m events.Message) {
	g, _ := events.GenerationOf(m.Header)
	if w.store.refused[g-1] && bytes.Contains(m.Data, []byte(`"previous_still_valid":true`)) {
		w.t.Errorf("generation %d was refused, and is said to live beside generation %d", g-1, g)
	}
}

// judgeShared: who has one token has one lock. Two of them cost lost races, each of which
// presents the token for nothing.
func (w *world) judgeShared(l *lease) {
	for name, other := range w.leases {
		if l.sharer != "" && l.sharer == other.sharer && l.name != name && other.holds() {
			w.t.Errorf("%s locks %s while %s has locked %s, and both have one token", l.p.name, l.name, other.p.name, name)
		}
	}
}
