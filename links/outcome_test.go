package links_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// TestAnswers is what an answer is worth to the link that it meets.
func TestAnswers(t *testing.T) {
	committed := refreshing("a", "b").Commit(claimA, grantFor(6, now), events.CauseRefresh, origin, now, rules, 0)
	reconsented := func() links.Link { l := refreshing("a"); l.Consent++; return l }()
	for name, c := range map[string]struct {
		link  links.Link
		claim links.Claim
		rules links.Rules
		want  links.Result
	}{
		"listed, refreshing":                {refreshing("a"), claimA, rules, links.ResultCommitted},
		"listed, uncertain":                 {uncertain("a"), claimA, rules, links.ResultCommitted},
		"listed, after the verdict":         {uncertain("a").Condemn("outcome_unknown", origin, now), claimA, rules, links.ResultCommitted},
		"listed, parked":                    {refreshing("a").Park(claimA, nil, now, rules, 0), claimA, rules, links.ResultCommitted},
		"an older one of two":               {refreshing("a", "b"), claimA, rules, links.ResultCommitted},
		"the same again":                    {committed, claimA, rules, links.ResultAlready},
		"the other one, afterwards":         {committed, links.Claim{Attempt: "b", Consent: 2, Generation: 5}, rules, links.ResultCandidate},
		"never listed":                      {refreshing("a"), links.Claim{Attempt: "x", Consent: 2, Generation: 5}, rules, links.ResultCandidate},
		"another generation's":              {refreshing("a"), links.Claim{Attempt: "a", Consent: 2, Generation: 4}, rules, links.ResultCandidate},
		"cleared":                           {active(), claimA, rules, links.ResultCandidate},
		"quarantined":                       {refreshing("a").Quarantine(links.Claim{}, nil, "", origin, now), claimA, rules, links.ResultCandidate},
		"a newer consent":                   {reconsented, claimA, rules, links.ResultLate},
		"revoked":                           {in(links.Revoked), claimA, rules, links.ResultLate},
		"replaced":                          {in(links.Replaced), claimA, rules, links.ResultLate},
		"superseded":                        {in(links.Superseded), claimA, rules, links.ResultLate},
		"successor rule, newer may be sent": {refreshing("a", "b"), claimA, with(links.UntilSuccessorUsed), links.ResultCandidate},
		"successor rule, the newest":        {refreshing("b", "a"), claimA, with(links.UntilSuccessorUsed), links.ResultCommitted},
		"successor rule, given up":          {uncertain("a", "b"), claimA, with(links.UntilSuccessorUsed), links.ResultCommitted},
	} {
		if got := c.link.Answers(c.claim, c.rules); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCommit(t *testing.T) {
	l := refreshing("a", "b")
	l.Refused, l.Failures, l.RefreshExpiresAt = true, 3, now.Add(time.Hour)
	l = l.Keep(links.Claim{Attempt: "x"}, links.KeptCandidate, nil, now).Keep(links.Claim{Attempt: "y"}, links.KeptLate, nil, now)
	g := grantFor(6, now)
	g.Scopes, g.ScopesGiven = []string{"b", "c"}, true
	got := l.Commit(claimA, g, events.CauseRefresh, origin, now, renewing(0.8), 0.5)

	if got.Status != links.Active || got.Generation != 6 || got.Fingerprint != "fingerprint-6" || string(got.Sealed) != "sealed-6" {
		t.Errorf("%s generation %d, bearer %s", got.Status, got.Generation, got.Fingerprint)
	}
	if len(got.Attempts) != 0 || !got.FirstIntentAt.IsZero() || got.Refused || got.Failures != 0 {
		t.Errorf("of the old generation is left: attempts %v, first intent %v, refused %v, failures %d", got.Attempts, got.FirstIntentAt, got.Refused, got.Failures)
	}
	if _, candidate := got.KeptOf(links.KeptCandidate); candidate {
		t.Error("a candidate against the death of the old grant was kept")
	}
	if _, late := got.KeptOf(links.KeptLate); !late {
		t.Error("a late answer was not kept")
	}
	at(t, "RefreshExpiresAt, which the answer leaves out,", got.RefreshExpiresAt, now.Add(time.Hour))
	at(t, "Due", got.Due, now.Add(45*time.Minute)) // 0.8 of an hour, less half of a tenth
	rotated := event[events.TokenRotated](t, got, 0)
	if len(rotated.ScopesGained) != 1 || rotated.ScopesGained[0] != "c" || len(rotated.ScopesLost) != 1 || rotated.ScopesLost[0] != "a" {
		t.Errorf("scopes gained %v and lost %v, want c and a", rotated.ScopesGained, rotated.ScopesLost)
	}
	if rotated.Generation != 6 || rotated.PreviousGeneration != 5 || rotated.Consent != 2 || rotated.Comparison != events.ComparisonSame {
		t.Errorf("announced %+v", rotated)
	}
	if len(got.Outbox) != 1 {
		t.Errorf("%d events, want the rotation alone", len(got.Outbox))
	}
}

// A provider that leaves earlier bearers alive has not left alive one that it refused.
func TestARefusedBearerIsNotSaidToLive(t *testing.T) {
	r := with(links.Forbidden)
	r.PreviousStillValid = true
	for _, refused := range []bool{false, true} {
		l := refreshing("a", "b")
		l.Refused = refused
		got := l.Commit(claimA, grantFor(6, now), events.CauseRefresh, origin, now, r, 0)
		if lives := event[events.TokenRotated](t, got, 0).PreviousStillValid; lives == refused {
			t.Errorf("refused %t, and previous_still_valid is %t", refused, lives)
		}
	}
}

// event decodes the n-th entry of an outbox.
func event[T events.Data](t *testing.T, l links.Link, n int) T {
	t.Helper()
	e, err := events.Decode(nil, l.Outbox[n].Event)
	if err != nil {
		t.Fatal(err)
	}
	d, err := events.As[T](e)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestScopesThatAreNotNamedAreUnchanged(t *testing.T) {
	got := refreshing("a").Commit(claimA, grantFor(6, now), events.CauseRefresh, origin, now, rules, 0)
	rotated := event[events.TokenRotated](t, got, 0)
	if len(got.Scopes) != 2 || len(rotated.ScopesLost)+len(rotated.ScopesGained) != 0 || len(rotated.Scopes) != 2 {
		t.Errorf("scopes %v, announced %+v", got.Scopes, rotated)
	}
}

// TestLateAnswerSavesTheLink: an answer commits after every verdict, and says so.
func TestLateAnswerSavesTheLink(t *testing.T) {
	for name, l := range map[string]links.Link{
		"uncertain":        uncertain("a"),
		"consent_required": uncertain("a").Condemn("outcome_unknown", origin, now).Settled(99),
	} {
		got := l.Settled(99).Commit(claimA, grantFor(6, now), events.CauseRefresh, origin, now, rules, 0)
		if got.Status != links.Active || len(got.Outbox) != 2 {
			t.Fatalf("from %s: %s with %d events", name, got.Status, len(got.Outbox))
		}
		if recovered := event[events.LinkRecovered](t, got, 1); recovered.From != name || recovered.Generation != 6 {
			t.Errorf("from %s: announced %+v", name, recovered)
		}
	}
}

func TestPromote(t *testing.T) {
	l := refreshing("a").Keep(links.Claim{Attempt: "x", Consent: 2, Generation: 5}, links.KeptCandidate, []byte("s"), now)
	k, _ := l.KeptOf(links.KeptCandidate)
	got := l.Promote(k, grantFor(6, now), origin, now, rules, 0)
	if got.Generation != 6 || !got.Committed("x") || event[events.TokenRotated](t, got, 0).Cause != events.CauseCandidate {
		t.Errorf("generation %d, committed %v", got.Generation, got.Committed("x"))
	}
	bare := l.Promote(k, links.Grant{Refreshable: true, Sealed: []byte("s")}, origin, now, rules, 0)
	if bare.Generation != 6 || len(bare.Outbox) != 0 || bare.Decide(timer, view(rules, links.Closed)).Action != links.Begin {
		t.Errorf("without a bearer: generation %d, %d events, then %s", bare.Generation, len(bare.Outbox), bare.Decide(timer, view(rules, links.Closed)).Action)
	}
	for name, p := range map[string]links.Link{"with a bearer": got, "without": bare} {
		if _, again := p.KeptOf(links.KeptCandidate); again || len(p.Attempts) != 0 {
			t.Errorf("%s: the candidate or an attempt is still there", name)
		}
	}
}

// TestGiveUp is how long an unknown outcome stays unknown: while an answer may
// come or the old bearer may live.
func TestGiveUp(t *testing.T) {
	never := time.Time{}
	for name, c := range map[string]struct {
		standing links.Standing
		expires  time.Time
		refused  bool
		want     links.Status
		due      time.Time
	}{
		"may answer, bearer lives longer":        {links.Over, now.Add(time.Hour), false, links.Uncertain, now.Add(time.Hour)},
		"may answer, bearer ends sooner":         {links.Over, now.Add(time.Second), false, links.Uncertain, now.Add(15 * time.Second)},
		"may answer, bearer refused":             {links.Over, now.Add(time.Hour), true, links.Uncertain, now.Add(15 * time.Second)},
		"may answer, bearer's end unknown":       {links.Over, never, false, links.Uncertain, now.Add(15 * time.Second)},
		"no answer, bearer lives":                {links.Closed, now.Add(time.Hour), false, links.Uncertain, now.Add(time.Hour)},
		"no answer, bearer ended":                {links.Closed, now, false, links.ConsentRequired, never},
		"no answer, bearer refused":              {links.Closed, now.Add(time.Hour), true, links.ConsentRequired, never},
		"no answer, bearer's end unknown":        {links.Closed, never, false, links.Uncertain, never},
		"no answer, refused, its end unknown":    {links.Closed, never, true, links.ConsentRequired, never},
		"never sent, bearer ended some time ago": {links.Unsent, now.Add(-time.Hour), false, links.ConsentRequired, never},
	} {
		t.Run(name, func(t *testing.T) {
			l := refreshing("a")
			l.ExpiresAt, l.Refused = c.expires, c.refused
			got := l.GiveUp(view(rules, c.standing), origin)
			if got.Status != c.want || got.DueNumber <= l.DueNumber || !got.Lists("a") {
				t.Errorf("%s, attempts %v; want %s", got.Status, got.Attempts, c.want)
			}
			at(t, "Due", got.Due, c.due)
			if c.want == links.ConsentRequired && event[events.ConsentRequired](t, got, 0).Reason != links.ReasonOutcomeUnknown {
				t.Error("the reason is not told")
			}
		})
	}
}

// TestOneAttemptThatMayAnswerIsEnough: all others being closed does not matter.
func TestOneAttemptThatMayAnswerIsEnough(t *testing.T) {
	v := view(rules, links.Closed)
	v.See = func(id string) links.Sight {
		if id == "a" {
			return links.Sight{Standing: links.Over}
		}
		return links.Sight{Standing: links.Closed}
	}
	l := refreshing("a", "b", "c")
	l.Refused = true
	if got := l.GiveUp(v, origin); got.Status != links.Uncertain {
		t.Errorf("%s while an answer may still come", got.Status)
	}
}

// TestVerdictTimeIsNotPutOff: judging again does not move the time until which
// answers are waited for.
func TestVerdictTimeIsNotPutOff(t *testing.T) {
	l := refreshing("a")
	l.ExpiresAt, l.Refused = now, true
	first := l.GiveUp(view(rules, links.Over), origin)
	v := view(rules, links.Over)
	v.StoreNow = now.Add(14 * time.Second)
	at(t, "Due after a second look", first.GiveUp(v, origin).Due, now.Add(15*time.Second))
	v.StoreNow = now.Add(15 * time.Second)
	if got := first.GiveUp(v, origin); got.Status != links.ConsentRequired {
		t.Errorf("%s when no answer can come any more", got.Status)
	}
}

func TestMark(t *testing.T) {
	l := uncertain("a") // until the bearer's end
	got := l.Mark(view(rules, links.Over), origin)
	if !got.Refused || got.Status != links.Uncertain || got.BearerAlive(now) {
		t.Errorf("refused %v, %s", got.Refused, got.Status)
	}
	at(t, "Due", got.Due, now.Add(15*time.Second)) // answers only
	v := view(rules, links.Over)
	v.StoreNow = now.Add(time.Minute)
	if late := l.Mark(v, origin); late.Status != links.ConsentRequired {
		t.Errorf("%s after the bearer was refused and no answer can come", late.Status)
	}
	scheduled := due(active(), links.DueRetry, now.Add(time.Minute)).Mark(view(rules, links.Over), origin)
	if !scheduled.Refused || scheduled.Status != links.Active || scheduled.DueNumber != active().DueNumber {
		t.Errorf("a noted 401 changed more than itself: %s, due number %d", scheduled.Status, scheduled.DueNumber)
	}
}

func TestVerdictConcernsTheLink(t *testing.T) {
	for name, c := range map[string]struct {
		link  links.Link
		claim links.Claim
		want  bool
	}{
		"open":              {refreshing("a"), claimA, true},
		"given up":          {uncertain("a"), claimA, true},
		"judged before":     {uncertain("a").Condemn("", origin, now), claimA, false},
		"cleared":           {active(), claimA, false},
		"newer generation":  {refreshing("a"), links.Claim{Attempt: "a", Consent: 2, Generation: 4}, false},
		"newer consent":     {refreshing("a"), links.Claim{Attempt: "a", Consent: 1, Generation: 5}, false},
		"somebody else's":   {refreshing("a"), links.Claim{Attempt: "x", Consent: 2, Generation: 5}, false},
		"answer is waiting": {refreshing("a").Park(claimA, nil, now, rules, 0), claimA, false},
	} {
		if got := c.link.Judged(c.claim); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	alone := refreshing("a").Dead("a", "grant_dead", origin, now, rules)
	among := refreshing("a", "b").Dead("a", "grant_dead", origin, now, rules)
	for want, l := range map[string]links.Link{"grant_dead": alone, links.ReasonAmbiguousConsumed: among} {
		if got := event[events.ConsentRequired](t, l, 0).Reason; got != want || l.Status != links.ConsentRequired {
			t.Errorf("%s: reason %s, want %s", l.Status, got, want)
		}
	}
}

func TestParkAndQuarantine(t *testing.T) {
	parked := refreshing("a").Park(claimA, []byte("s"), now, rules, 0)
	if k, ok := parked.KeptOf(links.KeptPending); !ok || parked.Status != links.Unverified || k.Attempt != "a" || k.Generation != 5 || !parked.Lists("a") {
		t.Errorf("parked: %s, %+v", parked.Status, parked.Kept)
	}
	at(t, "Due", parked.Due, now.Add(time.Second))
	again := parked.Park(claimA, []byte("s"), now, rules, 0)
	if len(again.Kept) != 1 {
		t.Errorf("%d answers kept of one", len(again.Kept))
	}
	at(t, "Due after the second time", again.Due, now.Add(2*time.Second))

	bad := parked.Quarantine(claimA, []byte("s"), "subject_changed", origin, now)
	if _, pending := bad.KeptOf(links.KeptPending); pending || bad.Status != links.Quarantined || !bad.Due.IsZero() {
		t.Errorf("quarantined: %s, due %v, still pending %v", bad.Status, bad.Due, pending)
	}
	if k, ok := bad.KeptOf(links.KeptHostile); !ok || k.Attempt != "a" || string(bad.Sealed) != "sealed-5" {
		t.Errorf("the evidence is not kept, or is served")
	}
	if got := event[events.LinkQuarantined](t, bad, 0); got.Reason != "subject_changed" {
		t.Errorf("announced %+v", got)
	}
}

func TestLastChance(t *testing.T) {
	r := rules
	r.LastChance = true
	dying := refreshing("a")
	dying.Refused = true
	next := dying.GiveUp(view(r, links.Closed), origin)
	if !dying.MayTryLastChance(next, r) {
		t.Error("not tried though nothing is left to lose")
	}
	if dying.MayTryLastChance(next, rules) {
		t.Error("tried without leave")
	}
	if alive := refreshing("a"); alive.MayTryLastChance(alive.GiveUp(view(r, links.Closed), origin), r) {
		t.Error("tried while the old bearer lives")
	}
	tried := dying.Begin(links.Attempt{ID: "last", Last: true}, false, rules)
	if tried.MayTryLastChance(tried.GiveUp(view(r, links.Closed), origin), r) {
		t.Error("tried twice")
	}
	if next.MayTryLastChance(next, r) {
		t.Error("tried after the verdict")
	}
}
