package handlers_test

import (
	"bytes"
	"slices"
	"time"

	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// look holds one write, which a task made, against G2 and G3.
func (s *watched) look(by *task, was, is links.Link) {
	if is.Generation < was.Generation || is.Consent < was.Consent || is.Generation > was.Generation+1 {
		s.w.t.Errorf("generation %d became %d, consent %d became %d", was.Generation, is.Generation, was.Consent, is.Consent)
	}
	s.remember(is)
	if is.Generation > was.Generation && !is.Alarm().IsZero() {
		s.due[is.Generation] = is.DueNumber
	}
	s.patient(by, was, is)
	s.unsent(was, is)
	s.awaited(was, is)
	s.rarelyAsked(by, was, is)
	s.refusedThen(by, was, is)
	s.fresh.look(s.w, was, is)
	s.w.notInCircles(by, was, is)
	s.w.noneTwice(is)
	s.saved(is)
	switch {
	case s.w.looks != nil:
		s.w.looks(was, is)
	case is.Generation > was.Generation:
		s.w.provider.becameCurrent(was, is)
	}
}

// remember keeps what later writes, and the rest, are held against.
func (s *watched) remember(is links.Link) {
	if s.settled == nil {
		s.settled, s.kept, s.decided = map[string]bool{}, map[string]bool{}, map[string]uint64{}
		s.intents, s.due, s.refused = map[string]intent{}, map[uint64]uint64{}, map[uint64]bool{}
	}
	for _, c := range is.History {
		s.settled[c.Attempt] = true
	}
	for _, k := range is.Kept {
		s.settled[k.Attempt], s.kept[k.Attempt] = true, true
	}
}

// saved: an answer is on the disk, or was refused by it, before it is committed.
func (s *watched) saved(is links.Link) {
	for _, c := range is.History {
		if _, known := s.decided[c.Attempt]; known || c.Attempt == "" || !is.Committed(c.Attempt) {
			continue
		}
		s.decided[c.Attempt] = is.EventNumber
		if !s.w.disk.tried[c.Attempt] {
			s.w.t.Errorf("G2: the answer of attempt %s is committed and was not saved before", c.Attempt)
		}
	}
}

// noneTwice: an answer that was committed is not kept to be tried besides.
func (w *world) noneTwice(l links.Link) {
	for _, k := range l.Kept {
		if (k.Kind == links.KeptCandidate || k.Kind == links.KeptPending) && l.Committed(k.Attempt) {
			w.t.Errorf("G3: the answer of attempt %s is committed, and kept as if it were not", k.Attempt)
		}
	}
}

// intent is who made an attempt, and when it was written.
type intent struct {
	by *process
	at time.Time
}

// patient: whoever knows no more of an attempt than that it is another's leaves it a
// patience, before it repeats the presentation or judges the link.
func (s *watched) patient(by *task, was, is links.Link) {
	cur, open := was.Current()
	if a, ok := is.Current(); ok && !was.Lists(a.ID) && by != nil {
		s.intents[a.ID] = intent{by.p, time.Now()}
	}
	repeated := len(is.Attempts) > len(was.Attempts)
	judged := is.Status == links.Uncertain || is.Status == links.ConsentRequired
	if !open || by == nil || was.Status != links.Refreshing || !is.Lists(cur.ID) || !repeated && !judged || s.owns(by.p, was) {
		return
	}
	if d := time.Since(s.intents[cur.ID].at); d < s.w.budget.Patience {
		s.w.t.Errorf("the attempt of %s is %v old when %s makes the link %s", s.intents[cur.ID].by.name, d, by.p.name, is.Status)
	}
}

// unsent: where the use of a successor ends the time in which a refresh token may be
// presented again, none is handed out while somebody is about to do that.
func (s *watched) unsent(was, is links.Link) {
	if s.w.rules.Replay.Kind != providers.ReplayUntilSuccessorUsed || is.Generation == was.Generation || is.Fingerprint == "" {
		return
	}
	for _, a := range was.Attempts {
		made := s.intents[a.ID]
		if is.Committed(a.ID) || a.By() != links.GrantRefreshToken || time.Since(made.at) >= s.w.budget.Deadline {
			continue
		}
		if made.by.sending() {
			s.w.t.Errorf("generation %d is handed out while %s is about to present the refresh token that it came of", is.Generation, made.by.name)
		}
	}
}

// awaited: no user is asked because an outcome is unknown while the record says that an
// answer may come, whatever the clock says of whoever asks.
func (s *watched) awaited(was, is links.Link) {
	if was.Status != links.Uncertain || is.Status != links.ConsentRequired || len(is.Outbox) == 0 || !time.Now().Before(was.AnswersUntil) {
		return
	}
	if last := is.Outbox[len(is.Outbox)-1]; bytes.Contains(last.Event, []byte(links.ReasonOutcomeUnknown)) {
		s.w.t.Errorf("the user is asked %v before the last answer may have come", time.Until(was.AnswersUntil))
	}
}

// sending says that a process has written an intent and not yet presented anything.
func (p *process) sending() bool {
	return !p.dead && slices.ContainsFunc(p.w.tasks, func(t *task) bool {
		return t.p == p && t.parked && (t.point == "intent:after" || t.point == "present:before" || t.point == "socket")
	})
}

// owns says whether a process made one of the attempts that are listed.
func (s *watched) owns(p *process, l links.Link) bool {
	return slices.ContainsFunc(l.Attempts, func(a links.Attempt) bool { return s.intents[a.ID].by == p })
}

// notInCircles: whoever hears from a timer that its moment has come does not wait for
// that moment again, unless it is to go on at once.
func (w *world) notInCircles(by *task, was, is links.Link) {
	if by == nil || by.msg == nil || by.msg.Stream != "REGRANT_TIMER" || is.DueNumber == was.DueNumber || is.Due.IsZero() {
		return
	}
	again := is.Due.Equal(was.Due) && is.DueFor == was.DueFor && is.DueFor != links.DueRetry && is.DueFor != links.DueRepeat
	if again && !is.Due.After(by.msg.StoredAt) {
		w.t.Errorf("the timer for %s fired at %v and is armed for %v again", is.DueFor, by.msg.StoredAt, is.Due)
	}
}
