package links_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// backup is a copy made ten minutes ago, of which nothing else is known.
var backup = links.Copy{At: now.Add(-10 * time.Minute)}

// restored is what becomes of a record that was written before the copy was made.
func restored(l links.Link, c links.Copy, r links.Rules) (links.Link, links.Fate) {
	return l.Restored(c, c.At.Add(-time.Minute), now, r)
}

// committed is a link whose generation was asked for and committed at that time.
func committedAt(t time.Time) links.Link {
	l := active().Begin(links.Attempt{ID: "a"}, false, rules)
	return l.Commit(claimA, grantFor(6, t), events.CauseRefresh, origin, t, rules, 0)
}

// wantWithheld: no report and no timer makes the link present its refresh token.
func wantWithheld(t *testing.T, l links.Link, r links.Rules) {
	t.Helper()
	for _, heard := range []links.Trigger{timer, {Generation: l.Generation, Reason: events.ReasonUnauthorized}, {Generation: l.Generation, Reason: events.ReasonExpired}} {
		for _, refused := range []bool{false, true} {
			v := later(view(r, links.Over), 24*time.Hour)
			is := l
			is.Refused = is.Refused || refused
			for range 5 {
				switch d := is.Decide(heard, v); d.Action {
				case links.Begin, links.Repeat:
					t.Errorf("%v on %s: the %s is presented", heard, is.Status, d.Grant)
				case links.GiveUp:
					is = is.GiveUp(v, origin)
				case links.Mark:
					is = is.Mark(v, origin)
				case links.Condemn:
					is = is.Despair(d.Reason, origin, v.Now)
				}
			}
		}
	}
}

// Every rule but safe counts a second presentation, if not within its window: after a
// restore it is over.
func TestARestoredCredentialIsNotPresented(t *testing.T) {
	inDoubt := active().HoldVerdict("", links.ReasonGrantDead, now, rules, 0)
	for name, l := range map[string]links.Link{
		"active": active(), "refreshing": refreshing("a"), "refreshing twice": refreshing("a", "b"), "uncertain": uncertain("a"),
		"held verdict": inDoubt, "awaiting a retry": in(links.Active),
		"unverified": refreshing("a").Park(claimA, []byte("answer"), now.Add(-time.Hour), rules, 0),
	} {
		for _, rule := range []links.Replay{links.Forbidden, links.Grace, links.UntilSuccessorUsed} {
			r := with(rule)
			r.Window = 720 * time.Hour
			got, fate := restored(l, backup, r)
			if got.Status != links.Uncertain || fate != links.FateUncertain {
				t.Errorf("%s, rule %d: %s, %s", name, rule, got.Status, fate)
			}
			wantWithheld(t, got, r)
			if got.Doomed != "" {
				t.Errorf("%s: a verdict from before the copy is still held", name)
			}
			if len(got.Attempts) != len(l.Attempts) || got.Generation != l.Generation || string(got.Sealed) != string(l.Sealed) {
				t.Errorf("%s: attempts %v at generation %d, tokens %s", name, got.Attempts, got.Generation, got.Sealed)
			}
		}
	}
}

func TestWhatMayBePresentedAnyTimeGoesOnAfterARestore(t *testing.T) {
	bare := active()
	bare.Refreshable = false
	for name, c := range map[string]struct {
		link links.Link
		rule links.Replay
	}{"safe": {active(), links.Safe}, "safe, under way": {refreshing("a"), links.Safe}, "without a refresh token": {bare, links.Forbidden}} {
		got, fate := restored(c.link, backup, with(c.rule))
		if fate != links.FateGoesOn || got.Status != c.link.Status || got.DueNumber <= c.link.DueNumber {
			t.Errorf("%s: %s, %s", name, fate, got.Status)
		}
	}
}

func TestOnlyTokensThatWereAskedForSinceTheCopyAreNewer(t *testing.T) {
	before, since := backup.At.Add(-time.Second), backup.At.Add(time.Second)
	late := committedAt(since) // its answer had been waiting in a spool, or for its keys
	late.IssuedAt = before
	forgotten := committedAt(since)
	forgotten.History = nil
	written := committedAt(since).Keep(links.Claim{Attempt: "x"}, links.KeptLate, nil, since)
	imported := links.Import(links.Link{Address: address}, grantFor(1, time.Time{}), origin, since, rules, 0)
	for name, c := range map[string]struct {
		link     links.Link
		storedAt time.Time
		want     links.Fate
	}{
		"asked for since":                       {committedAt(since), since, links.FateNewer},
		"written again since":                   {written, now, links.FateNewer},
		"imported since":                        {imported, since, links.FateNewer},
		"imported before, written since":        {links.Import(links.Link{Address: address}, grantFor(1, time.Time{}), origin, before, rules, 0), since, links.FateUncertain},
		"asked for before":                      {committedAt(before), before, links.FateUncertain},
		"asked for before, written since":       {committedAt(before), since, links.FateUncertain},
		"asked for before, committed since":     {late, since, links.FateUncertain},
		"asked for by a clock that is ahead":    {committedAt(since), before, links.FateUncertain},
		"at the very moment of the copy":        {committedAt(backup.At), since, links.FateUncertain},
		"made so long ago that it is forgotten": {forgotten, since, links.FateUncertain},
	} {
		got, fate := c.link.Restored(backup, c.storedAt, now, rules)
		if fate != c.want {
			t.Errorf("%s: %s, want %s", name, fate, c.want)
		}
		if fate == links.FateNewer && (got.Status != links.Active || got.DueNumber != c.link.DueNumber) {
			t.Errorf("%s: it was changed", name)
		}
	}
}

// An answer that was kept before the copy may have been current since, and its refresh
// token presented. One that came out of a spool since was not.
func TestAnAnswerFromBeforeTheCopyNeverBecomesCurrent(t *testing.T) {
	old, fresh := backup.At.Add(-time.Minute), backup.At.Add(time.Minute)
	spent := active()
	spent.Spent = []links.GrantType{links.GrantRefreshToken}
	for name, l := range map[string]links.Link{"unspent": active(), "spent already": spent} {
		l = l.Keep(links.Claim{Attempt: "a", Generation: 5}, links.KeptCandidate, nil, old)
		l = l.Keep(links.Claim{Attempt: "b", Generation: 5}, links.KeptPending, nil, old)
		got, fate := restored(l.Keep(links.Claim{Attempt: "c", Generation: 5}, links.KeptCandidate, nil, fresh), backup, rules)
		if k, ok := got.KeptOf(links.KeptCandidate); !ok || k.Attempt != "c" || fate != links.FateUncertain {
			t.Errorf("%s: candidate %v, %s", name, k.Attempt, fate)
		}
		if _, ok := got.KeptOf(links.KeptPending); ok {
			t.Errorf("%s: what waited for its keys before the copy is still tried", name)
		}
		if n := len(got.Kept); n != 3 {
			t.Errorf("%s: %d answers are left, want all", name, n)
		}
	}
}

func TestALinkThatWaitsForItsUserGoesOnWaitingAfterARestore(t *testing.T) {
	for _, status := range []links.Status{links.ConsentRequired, links.Quarantined} {
		l := in(status)
		got, fate := restored(l, backup, rules)
		if fate != links.FateWaits || got.Status != status || len(got.Outbox) != len(l.Outbox) {
			t.Errorf("%s: %s, %s, %d events", status, fate, got.Status, len(got.Outbox))
		}
		wantWithheld(t, got, rules)
	}
	for _, status := range []links.Status{links.Replaced, links.Superseded, links.Revoked} {
		if got, fate := restored(in(status), backup, rules); fate != links.FateEnded || got.Status != status {
			t.Errorf("%s: %s, %s", status, fate, got.Status)
		}
	}
}

// The bearer is served as long as it may live; then the workers judge, once.
func TestARestoredLinkIsJudgedWhenItsBearerIsDead(t *testing.T) {
	refused, forEver := active(), active()
	refused.Refused, forEver.ExpiresAt = true, time.Time{}
	for name, c := range map[string]struct {
		link links.Link
		due  time.Time
	}{
		"alive": {active(), active().ExpiresAt}, "refused": {refused, now}, "expiry unknown": {forEver, time.Time{}},
		"refused, an answer may come": {refused.Begin(links.Attempt{ID: "a"}, true, rules), now.Add(rules.Deadline)},
	} {
		got, _ := restored(c.link, backup, rules)
		at(t, name+": due", got.Due, c.due)
		if len(got.Outbox) > 0 {
			t.Errorf("%s: judged by whoever restores", name)
		}
		v := later(view(rules, links.Over), 24*time.Hour)
		end := got
		if d := got.Decide(seen401, v); d.Action == links.Mark {
			end = got.Mark(v, origin)
		} else if d := got.Decide(timer, v); d.Action == links.GiveUp {
			end = got.GiveUp(v, origin)
		}
		if end.Status != links.ConsentRequired || len(end.Outbox) != 1 {
			t.Errorf("%s: ends %s with %d events", name, end.Status, len(end.Outbox))
		}
	}
}

// A spool is not restored: what it holds is an answer to an attempt of the copy, or to
// one that the copy does not know.
func TestAnswersInSpoolsSaveRestoredLinks(t *testing.T) {
	listed, _ := restored(refreshing("a"), backup, rules)
	if got := listed.Answers(claimA, rules); got != links.ResultCommitted {
		t.Fatalf("an answer to a listed attempt is %s", got)
	}
	l := commit(listed, claimA, grantFor(6, now), rules)
	wantNext(t, l, later(view(rules, links.Over), time.Hour), links.GrantRefreshToken)

	unlisted, _ := restored(active(), backup, rules)
	if got := unlisted.Answers(claimA, rules); got != links.ResultCandidate {
		t.Fatalf("an answer to an attempt that was lost is %s", got)
	}
	unlisted = unlisted.Keep(claimA, links.KeptCandidate, nil, now)
	if again, fate := restored(unlisted, backup, rules); fate != links.FateMarked || len(again.Kept) != 1 || again.Kept[0].Kind != links.KeptCandidate {
		t.Errorf("a second run: %s, %v", fate, again.Kept)
	}
}

// Numbers name events and timers: one that was used in the lost time is not used again.
func TestNumbersGoOnAfterARestore(t *testing.T) {
	for name, c := range map[string]struct {
		copied     links.Copy
		event, due uint64 // the last that may have been used
	}{
		"nothing is known":    {backup, 9 + 600, 4},
		"the streams know":    {links.Copy{At: backup.At, Event: 5000, Due: 70}, 5000, 70},
		"the streams are old": {links.Copy{At: backup.At, Event: 2, Due: 1}, 9 + 600, 4},
	} {
		for _, l := range []links.Link{active(), in(links.ConsentRequired), in(links.Revoked)} {
			l.EventNumber, l.DueNumber = 9, 4
			if got, _ := restored(l, c.copied, rules); got.EventNumber < c.event || got.DueNumber <= c.due {
				t.Errorf("%s, %s: event %d, due %d", name, l.Status, got.EventNumber, got.DueNumber)
			}
		}
	}
	newer := committedAt(now)
	got, _ := newer.Restored(links.Copy{At: backup.At, Event: 50, Due: 60}, now, now, rules)
	if got.EventNumber != 50 || got.DueNumber != 61 || got.Status != links.Active {
		t.Errorf("a newer link: %s, event %d, due %d", got.Status, got.EventNumber, got.DueNumber)
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	for _, r := range []links.Rules{rules, with(links.Safe), with(links.Grace)} {
		for _, l := range []links.Link{active(), refreshing("a"), uncertain("a"), in(links.ConsentRequired), in(links.Revoked), in(links.Quarantined)} {
			once, _ := restored(l, backup, r)
			twice, fate := once.Restored(backup, now, now.Add(time.Minute), r)
			if twice.DueNumber != once.DueNumber || fate != links.FateMarked {
				t.Errorf("%s: %s, written again", l.Status, fate)
			}
		}
	}
	once, _ := restored(active(), backup, rules)
	after := links.Copy{At: now.Add(time.Hour)}
	if _, fate := once.Restored(after, now.Add(2*time.Hour), now.Add(2*time.Hour), rules); fate != links.FateUncertain {
		t.Errorf("another restore: %s", fate)
	}
}

// The output stream survived and knows more than the record (G3).
func TestGenerationsThatWereAnnouncedAreNotUsedAgain(t *testing.T) {
	c := backup
	c.Generation, c.Event, c.Sealed = 8, 30, []byte("sealed-8")
	l := refreshing("a").Keep(links.Claim{Attempt: "x", Consent: 2, Generation: 5}, links.KeptCandidate, nil, now)
	got, fate := restored(l.Keep(links.Claim{Attempt: "y", Consent: 2, Generation: 8}, links.KeptCandidate, nil, now), c, rules)
	if fate != links.FateUncertain || got.Generation != 8 || string(got.Sealed) != "sealed-8" || got.EventNumber < 30 || len(got.Attempts) != 0 {
		t.Errorf("%s: generation %d, tokens %s, event %d, attempts %v", fate, got.Generation, got.Sealed, got.EventNumber, got.Attempts)
	}
	if k, _ := got.KeptOf(links.KeptCandidate); k.Attempt != "y" {
		t.Errorf("the candidate is %s: only an answer to what was announced last is none that was replaced", k.Attempt)
	}
	wantWithheld(t, got.Drop(links.KeptCandidate), rules)
	if again, fate := got.Restored(c, now, now, rules); fate != links.FateMarked || again.DueNumber != got.DueNumber {
		t.Errorf("a second run: %s", fate)
	}
	if got, fate := restored(active(), c, with(links.Safe)); fate != links.FateGoesOn || got.Generation != 8 || got.Status != links.Active {
		t.Errorf("safe: %s, %s at generation %d", fate, got.Status, got.Generation)
	}
	if got, fate := restored(in(links.Revoked), c, rules); fate != links.FateEnded || got.Generation != 8 || got.Status != links.Revoked {
		t.Errorf("revoked: %s, %s at generation %d", fate, got.Status, got.Generation)
	}
	// Its first consent was completed after the copy: its user must be asked, not an empty bearer served.
	none := c
	none.Sealed = nil
	first, _ := restored(links.Await(address, "user", "", "client"), none, rules)
	at(t, "due", first.Due, now)
	if d := first.Decide(timer, view(rules, links.Over)); d.Action != links.GiveUp {
		t.Errorf("nobody asks: %v", d)
	}
}
