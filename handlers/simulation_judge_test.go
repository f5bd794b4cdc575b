package handlers_test

import (
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// judge holds the world at rest against the guarantees.
func (s *simulation) judge() {
	l := s.link()
	switch {
	case l.Status == links.Active && l.Generation > s.owed:
		if g := s.provider.tokens(l); !g.spentAt.IsZero() {
			s.t.Errorf("G3: the current refresh token of generation %d is spent", l.Generation)
		}
	case l.Status == links.ConsentRequired && s.lost:
	case l.Status == links.ConsentRequired:
		s.t.Errorf("G2: no answer and no worker was lost, and the user is asked")
	case l.Status == links.Quarantined && len(s.provider.hostile) > 0:
	default:
		s.t.Errorf("G5: a 401 was reported of generation %d, and the link rests %s at generation %d", s.owed, l.Status, l.Generation)
	}
	s.judgePresentations()
	s.judgeEvents(l)
	s.judgeReplay()
}

// heed is what an ack was given upon.
type heed string

const (
	read         heed = "what the record says"
	thoughtStale heed = "what the worker remembers"
	collapsed    heed = "a flight of the worker"
)

// judgeAck holds one ack against G5: what it was to bring about is done and announced,
// or something else that is not acked leads to it.
func (w *world) judgeAck(m *message, upon heed) {
	generation, ok := events.GenerationOf(m.Header)
	if !m.acked || m.hearsay || !ok || w.history == nil || m.Stream != "REGRANT_IN" || w.provider == nil || w.answered401(generation, upon) {
		return
	}
	l := w.link()
	refused := slices.Contains(m.Header[events.HeaderReason], string(events.ReasonUnauthorized))
	if refused && l.Status != links.Revoked && l.Status != links.Quarantined {
		w.t.Errorf("G5: the report of generation %d is acked upon %s; the link is %s at %d, %d of %d events are stored",
			generation, upon, l.Status, l.Generation, len(w.broker.stored), l.EventNumber)
	}
}

// soon is within how long a timer takes a report's duty over: the longest pause, ten
// minutes where fresh bearers are refused, and what the workers' clocks differ by.
const soon = 11 * time.Minute

func (w *world) timerSoon() bool {
	at := w.broker.timers[theLink].at
	return w.timerLost || !at.IsZero() && time.Until(at) < soon
}

// answered401 says that a report of a generation is answered by a stored event, or its duty
// another message's or a timer's.
func (w *world) answered401(generation uint64, upon heed) bool {
	for _, m := range w.broker.messages {
		if g, _ := events.GenerationOf(m.Header); !m.acked && !m.replay && (m.Stream == "REGRANT_TIMER" || g == generation || g == 0) {
			return true
		}
	}
	if l := w.link(); upon != read && l.Generation > generation && l.Fingerprint != "" {
		// The message of a flight may be acked upon an older delivery of it elsewhere: then
		// the file alone is left that leads to the announcement.
		return w.announced(generation) || upon == collapsed && len(w.disk.files) > 0
	}
	if w.timerSoon() || len(w.disk.files) > 0 { // whoever has the file announces what it brought
		return true
	}
	waiting := false
	for i, name := range w.names() {
		switch events.Name(name) {
		case events.NameConsentRequired, events.NameCredentialsRequired:
			waiting = true
		case events.NameLinkRecovered:
			waiting = false
		}
		if g, _ := events.GenerationOf(w.broker.stored[i].Header); g > generation {
			return true
		}
	}
	return waiting
}

// announced says that a generation's successor is stored as an event, and was not before its
// timer was armed: who hears of it acks what is older, and looks no further.
func (w *world) announced(generation uint64) bool {
	for _, o := range w.broker.stored {
		g, _ := events.GenerationOf(o.Header)
		if due := w.store.due[g]; g > generation && (w.timerLost || w.broker.newest >= due || w.link().DueNumber > due) {
			return true
		}
	}
	return false
}

func (s *simulation) judgePresentations() {
	for _, g := range s.provider.grants {
		if s.rules.Replay.Kind == providers.ReplayForbidden && !s.rules.LastChance && g.shown > 1 {
			s.t.Errorf("G1: a refresh token was presented %d times", g.shown)
		}
	}
	for name := range s.disk.files {
		s.t.Errorf("G2: the answer of attempt %s stayed in the spool", name)
	}
	for name := range s.disk.ever {
		if !s.store.settled[name] {
			s.t.Errorf("G2: the answer of attempt %s is not in the record", name)
		}
	}
}

func (s *simulation) judgeEvents(l links.Link) {
	s.judgeAnnounced(l)
	waiting := false // subscribers were told to ask the user
	for _, name := range s.names() {
		switch events.Name(name) {
		case events.NameConsentRequired:
			waiting = true
		case events.NameLinkRecovered, events.NameLinkQuarantined: // by an answer that came late
			waiting = false
		}
	}
	if waiting != (l.Status == links.ConsentRequired) {
		s.t.Errorf("G4: subscribers were told %q, and the link is %s", s.names(), l.Status)
	}
}

// judgeAnnounced: what the record says is stored as an event, and its timer armed.
func (s *simulation) judgeAnnounced(l links.Link) {
	if n := uint64(len(s.broker.stored)); n != l.EventNumber {
		s.t.Errorf("G4: %d of %d events are stored", n, l.EventNumber)
	}
	s.wantArmed()
}

// judgeReplay publishes the whole history of inputs once more (G8). That a bearer is about
// to end may be true by now, and is what a replay says of the time when it was heard.
func (s *simulation) judgeReplay() {
	asked, revision := s.provider.presentations, len(s.store.older)
	for _, m := range s.reports {
		if slices.Contains(m.Header[events.HeaderReason], string(events.ReasonExpiring)) {
			s.replayed(m)
			continue
		}
		s.broker.add(m.Stream, m.Subject, m.Header, m.Data)
	}
	s.drain()
	if s.provider.presentations != asked || len(s.store.older) != revision {
		s.t.Errorf("G8: a replay made %d presentations and %d writes", s.provider.presentations-asked, len(s.store.older)-revision)
	}
}
