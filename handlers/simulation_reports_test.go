package handlers_test

import (
	"fmt"
	"slices"

	"github.com/regrant/regrant/events"
)

// reportMore is what services report later: the bearer that is served, by number or
// by its fingerprint, refused or about to end; or one that was replaced long ago.
func (s *simulation) reportMore() {
	l := s.link()
	if s.left == 0 || l.Fingerprint == "" {
		return // nobody has a bearer of this generation
	}
	s.left--
	d := events.TokenExpired{Address: theLink, Generation: l.Generation, Reason: events.ReasonUnauthorized}
	switch s.random.IntN(6) {
	case 0, 1:
		d.Generation, d.Fingerprint = 0, l.Fingerprint
	case 2:
		d.Reason = events.ReasonExpiring
	case 3:
		d.Generation = 1 + s.random.Uint64N(l.Generation)
	}
	if d.Reason == events.ReasonUnauthorized && (d.Generation == l.Generation || d.Generation == 0) {
		s.owed = l.Generation
	}
	s.tell("reported: generation %d of %d, %s", d.Generation, l.Generation, d.Reason)
	s.reports = append(s.reports, s.reportFor(d))
}

// publishAgain: the broker drops duplicates for a while only.
func (s *simulation) publishAgain() {
	m := s.reports[s.random.IntN(len(s.reports))]
	s.tell("message %d is published again", m.Sequence)
	s.broker.add(m.Stream, m.Subject, m.Header, m.Data)
}

// gossip lets more be heard, and what was heard before.
func (s *simulation) gossip() {
	s.left, s.mistakes, s.replays = s.random.IntN(6), s.random.IntN(3), s.random.IntN(6)
	for _, do := range []func(){s.reportMore, s.reportNew, s.reportEarly, s.replay, s.loseTimer} {
		s.doings = append(s.doings, doing{[]int{0, 1, 3, 9}[s.random.IntN(4)], do})
	}
}

// reportNew is a service's that finds what it was just served refused.
func (s *simulation) reportNew() {
	if l := s.link(); s.left > 0 && l.Generation > s.owed && l.Fingerprint != "" {
		s.left--
		s.report(l.Generation)
	}
}

// hasten lets services, in half of the runs, report a generation when it is on its way,
// and again when it is there.
func (s *simulation) hasten() {
	if s.hasty = len(s.processes) > 1 && s.random.IntN(2) == 0; s.hasty {
		s.left, s.mistakes, s.exclusive, s.burst = max(s.left, 3), 3, false, 1
		s.doings = append(s.doings, doing{36, s.reportEarly}, doing{9, s.reportNew}, doing{18, func() { s.deliver(false) }}, doing{36, s.goOn})
	}
}

// onItsWay says that somebody has presented what brings a generation, or is about to.
func (s *simulation) onItsWay() bool {
	return slices.ContainsFunc(s.parked(), func(t *task) bool {
		return slices.Contains([]string{"socket", "answer", "spool:before"}, t.point)
	})
}

// reportEarly is a mistake: nobody has that generation yet.
func (s *simulation) reportEarly() {
	if l := s.link(); s.mistakes > 0 && l.Fingerprint != "" && (!s.hasty || s.onItsWay()) {
		s.mistakes--
		s.tell("reported by mistake: generation %d of %d", l.Generation+1, l.Generation)
		s.overhear(s.world.report(l.Generation + 1))
	}
}

// replay publishes an old input as an operator does.
func (s *simulation) replay() {
	all := append(s.reports[:len(s.reports):len(s.reports)], s.hearsay...)
	m := all[s.random.IntN(len(all))]
	if s.replays == 0 || !m.acked {
		return
	}
	s.replays--
	s.tell("message %d is replayed", m.Sequence)
	heard := s.replayed(m)
	heard.replay = true // nobody's duty is to rest on it
	s.overhear(heard)
}

// replayed is an input as an operator publishes it again.
func (s *simulation) replayed(m *message) *message {
	again, err := events.Subjects{}.Replay(events.Original{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: m.Sequence, StoredAt: m.StoredAt,
	}, fmt.Sprint("run-", len(s.broker.messages)))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.broker.add(m.Stream, again.Subject, again.Header, again.Data)
}

// overhear keeps a message that may be settled without effect.
func (s *simulation) overhear(m *message) {
	m.hearsay = true
	s.hearsay = append(s.hearsay, m)
}
