package links_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// everyStatus are the states that a link may be in when a consent concerns it.
var everyStatus = []links.Status{
	links.Active, links.Refreshing, links.Unverified, links.Uncertain, links.ConsentRequired,
	links.Held, links.Replaced, links.Superseded, links.Revoked, links.Quarantined,
}

// told are the names of what a step announced, in order.
func told(t *testing.T, was, is links.Link) (names []string) {
	t.Helper()
	for _, entry := range is.Outbox[len(was.Outbox):] {
		e, err := events.Decode(nil, entry.Event)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(e.Type(), "dev.regrant."), ".v1"))
	}
	return names
}

func wantTold(t *testing.T, was, is links.Link, want ...string) {
	t.Helper()
	if got := told(t, was, is); !slices.Equal(got, want) {
		t.Errorf("announced %q, want %q", got, want)
	}
}

// consents is full in a state, with a presentation of the earlier consent listed
// and nothing open.
func consents(s links.Status) links.Link {
	l := full()
	l.Status, l.Exchange, l.Hold, l.ConsentOrder = s, nil, nil, now.Add(-time.Hour)
	return l
}

// TestReconsentFromEveryState: a completed consent makes the link whole, and
// nothing of the earlier consent is used any more.
func TestReconsentFromEveryState(t *testing.T) {
	announced := map[links.Status][]string{
		links.Active: {"token-rotated"}, links.Refreshing: {"token-rotated"}, links.Unverified: {"token-rotated"}, links.Held: {"token-rotated"},
		links.Uncertain: {"token-rotated", "link-recovered"}, links.ConsentRequired: {"token-rotated", "link-recovered"}, links.Quarantined: {"token-rotated", "link-recovered"},
		links.Replaced: {"link-created"}, links.Superseded: {"link-created"}, links.Revoked: {"link-created"},
	}
	for _, s := range everyStatus {
		t.Run(string(s), func(t *testing.T) {
			was := consents(s)
			is := was.Reconsent(completed(now), origin, now, renewing(0.8), 0.5)
			if is.Status != links.Active || is.Generation != 6 || is.Consent != 4 || is.Consented != 4 || !is.ConsentOrder.Equal(now) {
				t.Errorf("%s at generation %d, consent %d of %d", is.Status, is.Generation, is.Consent, is.Consented)
			}
			if len(is.Attempts) > 0 || is.Hold != nil || is.Successor != nil || !is.RefreshExpiresAt.IsZero() || !is.ConsentExpiresAt.IsZero() {
				t.Errorf("of the earlier consent is left: %+v", is.Public())
			}
			if r := is.Answers(claimA, rules); r != links.ResultLate {
				t.Errorf("an answer to the earlier consent's presentation is %s", r)
			}
			if !is.Has("flow") || was.Has("flow") {
				t.Error("whose consent it is cannot be told")
			}
			wantTold(t, was, is, announced[s]...)
		})
	}
}

func TestReconsentSaysWhatChanged(t *testing.T) {
	was := consents(links.Active) // scopes a and b, account-1
	c := completed(now)
	requested := events.Address{Tenant: "default", Provider: "op", Link: "link-9"}
	c.Requested = &requested
	is := was.Reconsent(c, origin, now, rules, 0)
	e := event[events.TokenRotated](t, is, len(was.Outbox))
	for what, lists := range map[string][2][]string{
		"scopes gained":   {e.ScopesGained, {"c"}},
		"scopes lost":     {e.ScopesLost, {"a"}},
		"accounts gained": {e.AccountsGained, {"account-2"}},
		"accounts lost":   {e.AccountsLost, {"account-1"}},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: %q, want %q", what, lists[0], lists[1])
		}
	}
	if e.PreviousStillValid || e.Cause != events.CauseReconsent || e.PreviousGeneration != 5 || e.Consent != 4 || *e.Requested != requested {
		t.Errorf("announced %+v", e)
	}
	c.AccountsUnknown = events.AccountsUnreachable
	is = was.Reconsent(c, origin, now, rules, 0)
	e = event[events.TokenRotated](t, is, len(was.Outbox))
	if len(e.AccountsGained)+len(e.AccountsLost) > 0 || e.AccountsUnknown != events.AccountsUnreachable || !slices.Equal(is.Accounts, was.Accounts) {
		t.Errorf("accounts that nobody read: %+v, and the record has %q", e, is.Accounts)
	}
}

// TestALateConsentIsAnnouncedAsRecovered: its failure was announced.
func TestALateConsentIsAnnouncedAsRecovered(t *testing.T) {
	was, c := consents(links.Active), completed(now)
	c.Late = true
	wantTold(t, was, was.Reconsent(c, origin, now, rules, 0), "token-rotated", "link-recovered")
}

func TestTheFirstConsentCreates(t *testing.T) {
	was, ok := links.Await(address, "user-1", "Main", "client").Open(links.Exchange{Flow: "flow-key", ID: "flow"})
	if !ok || was.Live() {
		t.Fatalf("a link that awaits its first consent: live %t", was.Live())
	}
	is := was.Reconsent(completed(now), origin, now, rules, 0)
	if is.Generation != 1 || is.Consent != 1 || !is.Live() || !is.Exchanging("flow-key") {
		t.Errorf("generation %d, consent %d, live %t, exchange %v", is.Generation, is.Consent, is.Live(), is.Exchange)
	}
	wantTold(t, was, is, "link-created")
}

// TestLoseFromEveryState: legal from all, and without effect where the link has
// ended or has a consent that is newer than the taker's.
func TestLoseFromEveryState(t *testing.T) {
	for _, s := range everyStatus {
		for reason, status := range map[events.ReplacedReason]links.Status{
			events.ReplacedOtherOwner: links.Superseded, events.ReplacedDifferentLogin: links.Replaced, events.ReplacedSameLogin: links.Replaced,
		} {
			was, by := consents(s), taken(now)
			by.Reason = reason
			is := was.Lose(by, origin, now)
			if s.Ended() {
				if is.Status != s || len(told(t, was, is)) > 0 {
					t.Errorf("%s became %s, and announced %q", s, is.Status, told(t, was, is))
				}
				if !is.ConsentOrder.Equal(now) {
					t.Errorf("%s: a consent from before the taker's would bring the link back", s)
				}
				continue
			}
			if is.Status != status || *is.Successor != by.By || !is.ConsentOrder.Equal(now) || len(is.Attempts) > 0 || !is.Alarm().IsZero() {
				t.Errorf("%s, %s: %s after %v, attempts %v, alarm %v", s, reason, is.Status, is.ConsentOrder, is.Attempts, is.Alarm())
			}
			if r := is.Answers(claimA, rules); r != links.ResultLate {
				t.Errorf("%s, %s: an answer to an earlier presentation is %s", s, reason, r)
			}
			wantTold(t, was, is, "link-replaced")
		}
		was := consents(s)
		was.ConsentOrder = now.Add(1)
		if is := was.Lose(taken(now), origin, now); is.Status != s || len(told(t, was, is)) > 0 {
			t.Errorf("%s became %s by a consent that is older than its own", s, is.Status)
		}
	}
}

// TestWhoLosesToAnotherUserLearnsNothingOfIt but which link has the login now.
func TestWhoLosesToAnotherUserLearnsNothingOfIt(t *testing.T) {
	was, by := consents(links.Active), taken(now)
	by.Customer, by.Reason = was.Customer, events.ReplacedOtherOwner
	e := event[events.LinkReplaced](t, was.Lose(by, origin, now), len(was.Outbox))
	if e.ReplacementSubjectHMAC != "" || e.SameCustomer != events.CustomerUnknown || len(e.ScopesGained)+len(e.ScopesLost)+len(e.AccountsGained)+len(e.AccountsLost) > 0 {
		t.Errorf("announced %+v", e)
	}
	by.Reason = events.ReplacedDifferentLogin
	was.AccountsUnknown = ""
	e = event[events.LinkReplaced](t, was.Lose(by, origin, now), len(was.Outbox))
	if e.ReplacementSubjectHMAC != "other-hmac" || e.SameCustomer != events.CustomerSame || !slices.Equal(e.ScopesLost, []string{"a"}) || !slices.Equal(e.AccountsGained, []string{"account-2"}) {
		t.Errorf("its own user was told %+v", e)
	}
}

// TestHoldForFromEveryState: the link goes on in its state.
func TestHoldForFromEveryState(t *testing.T) {
	until := now.Add(time.Hour)
	for _, s := range everyStatus {
		was, ok := consents(s).Open(links.Exchange{Flow: "flow-key", ID: "flow", At: now})
		if !ok {
			t.Fatal("not opened")
		}
		is := was.HoldFor(taken(now), false, until, origin, now)
		if is.Status != s || is.Generation != was.Generation || is.Consent != was.Consent || is.Consented != was.Consented+1 || !slices.Equal(is.Attempts, was.Attempts) {
			t.Errorf("%s became %s, consent %d of %d", s, is.Status, is.Consent, is.Consented)
		}
		if is.Exchange != nil || !is.Holds(was.Consented+1) || is.Holds(was.Consented) || !is.WasHeldFor("flow") || was.WasHeldFor("flow") {
			t.Errorf("%s: exchange %v, hold %+v", s, is.Exchange, is.Hold)
		}
		if is.DueNumber == was.DueNumber || is.HoldOver(until.Add(-1)) || !is.HoldOver(until) {
			t.Errorf("%s: the end of the hold is not armed, or not at %v", s, until)
		}
		wantTold(t, was, is, "link-replacement-held")
	}
}

func TestTheReplacementIsNamedWhereItExists(t *testing.T) {
	was := consents(links.Active)
	for _, exists := range []bool{false, true} {
		e := event[events.LinkReplacementHeld](t, was.HoldFor(taken(now), exists, now.Add(time.Hour), origin, now), len(was.Outbox))
		if (e.Replacement != nil) != exists {
			t.Errorf("exists %t: announced %+v", exists, e)
		}
	}
}

func TestLetGo(t *testing.T) {
	was := consents(links.Active).HoldFor(taken(now), false, now.Add(time.Hour), origin, now)
	is := was.LetGo(links.ReasonRejected, origin, now)
	if is.Hold != nil || is.Status != links.Active || is.DueNumber == was.DueNumber || is.Consented != was.Consented {
		t.Errorf("%s, hold %v, consented %d", is.Status, is.Hold, is.Consented)
	}
	if e := event[events.ConsentFailed](t, is, len(was.Outbox)); e.Reason != links.ReasonRejected {
		t.Errorf("announced %+v", e)
	}
	again := is.LetGo(links.ReasonRejected, origin, now)
	wantTold(t, is, again)
}

func TestRevokeFromEveryState(t *testing.T) {
	for _, s := range everyStatus {
		was := consents(s)
		is := was.Revoke("logout", true, now, origin, now)
		if s == links.Revoked {
			wantTold(t, was, is)
			continue
		}
		if is.Status != links.Revoked || len(is.Sealed)+len(is.Kept) > 0 || is.Refreshable || !is.ConsentOrder.Equal(now) || !is.Alarm().IsZero() {
			t.Errorf("%s became %s with %d sealed, %d kept", s, is.Status, len(is.Sealed), len(is.Kept))
		}
		if is.Overtakes(now) || !is.Overtakes(now.Add(-1)) {
			t.Errorf("%s: a consent of before the logout is not overtaken by it, or one of after it is", s)
		}
		wantTold(t, was, is, "link-revoked")
	}
}

// TestExchange: one at a time, and each of its steps raises the number by which
// whoever waits for it hears of it.
func TestExchange(t *testing.T) {
	l := consents(links.Active)
	first, ok := l.Open(links.Exchange{Flow: "one", ID: "1"})
	if _, second := first.Open(links.Exchange{Flow: "two", ID: "2"}); !ok || second {
		t.Errorf("opened %t, and another beside it %t", ok, second)
	}
	if _, again := first.Open(links.Exchange{Flow: "one", ID: "1"}); !again {
		t.Error("its own flow does not find it open")
	}
	if got := first.Close("two"); got.Exchange == nil {
		t.Error("closed by another flow")
	}
	if got := first.PutOff("two", now); !got.Exchange.Again.IsZero() {
		t.Error("put off by another flow")
	}
	put, closed := first.PutOff("one", now.Add(time.Hour)), first.Close("one")
	at(t, "Alarm, once it is put off,", put.Alarm(), now.Add(time.Hour))
	for what, is := range map[string]links.Link{"PutOff": put, "Close": closed} {
		if is.DueNumber <= first.DueNumber {
			t.Errorf("%s raises no number", what)
		}
	}
	if closed.Exchange != nil || closed.Exchanging("one") || !put.Exchanging("one") {
		t.Error("what is open is told wrong")
	}
}

func TestConsentFailed(t *testing.T) {
	was, _ := consents(links.Active).Open(links.Exchange{Flow: "one", ID: "1"})
	is := was.ConsentFailed(*was.Exchange, "code_rejected", origin, now)
	if is.Exchange != nil || is.Status != was.Status || is.Consented != was.Consented || is.Has("1") {
		t.Errorf("%s, exchange %v, consented %d", is.Status, is.Exchange, is.Consented)
	}
	wantTold(t, was, is, "consent-failed")
	was.Hold = &links.Hold{Flow: "two", ID: "2", Consent: 3}
	if is = was.ConsentFailed(*was.Exchange, "code_rejected", origin, now); is.Hold == nil {
		t.Error("another flow's hold is gone")
	}
	was.Hold.Flow = "one"
	if is = was.ConsentFailed(*was.Exchange, "newer_consent", origin, now); is.Hold != nil {
		t.Error("held for a flow that failed")
	}
}

// besides are what may stand beside a state, and what becomes of each trigger then.
var besides = map[string]struct {
	add func(links.Link) links.Link
	// timer and report are the decisions; empty: those of the state alone. A report of a
	// state that waits for nothing is settled whatever is open.
	timer, report string
}{
	"exchange":            {opened(time.Time{}), "resume", "wait"},
	"exchange put off":    {opened(now.Add(time.Minute)), "finish", "wait"},
	"exchange due again":  {opened(now), "resume", "wait"},
	"hold":                {heldUntil(now.Add(time.Minute)), "", ""},
	"hold over":           {heldUntil(now), "let_go", ""},
	"hold over, exchange": {func(l links.Link) links.Link { return opened(time.Time{})(heldUntil(now)(l)) }, "resume", "wait"},
}

func opened(again time.Time) func(links.Link) links.Link {
	return func(l links.Link) links.Link {
		l.Exchange = &links.Exchange{Flow: "flow-key", ID: "flow", Again: again}
		return l
	}
}

func heldUntil(until time.Time) func(links.Link) links.Link {
	return func(l links.Link) links.Link {
		l.Hold = &links.Hold{Flow: "held-key", ID: "held", Consent: 3, Until: until}
		return l
	}
}

// TestDecideBesideAConsent is every state of the decision table against every
// trigger, with an exchange open, or held.
func TestDecideBesideAConsent(t *testing.T) {
	for state, link := range states {
		for name, trigger := range triggers {
			for beside, b := range besides {
				alone := link().Decide(trigger, view(rules, links.Watched)).Action.String()
				want := b.report
				if trigger.Timer {
					want = b.timer
				}
				if settled := alone == "future" || alone == "finish" && !waits(link().Status); want == "" || !trigger.Timer && (settled || stale[name]) {
					want = alone
				}
				if got := b.add(link()).Decide(trigger, view(rules, links.Watched)); got.Action.String() != want {
					t.Errorf("%s on %s beside %s: %s (%s), want %s", state, name, beside, got.Action, got.Reason, want)
				}
			}
		}
	}
}

// stale are the triggers that name another bearer than the current one.
var stale = map[string]bool{"other": true, "unknown": true}

// waits: a report of a link in this state may be left to be done by the consent.
func waits(s links.Status) bool {
	return s == links.Active || s == links.Refreshing || s == links.Uncertain
}

// TestAnUnsentAttemptIsClearedBesideAnExchange: its own worker knows, and nobody else.
func TestAnUnsentAttemptIsClearedBesideAnExchange(t *testing.T) {
	for _, l := range []links.Link{refreshing("a"), uncertain("a")} {
		if d := opened(time.Time{})(l).Decide(seen401, view(rules, links.Unsent)); d.Action != links.Clear {
			t.Errorf("%s: %s (%s)", l.Status, d.Action, d.Reason)
		}
	}
}

// TestNoGrantIsCalledDeadWhileAnExchangeIsOpen: the consent may be replacing it.
func TestNoGrantIsCalledDeadWhileAnExchangeIsOpen(t *testing.T) {
	l := refreshing("a")
	if !l.Judged(claimA) || opened(time.Time{})(l).Judged(claimA) {
		t.Error("a verdict is taken while an exchange is open, or none without")
	}
}

func TestOvertakes(t *testing.T) {
	l := links.Link{}
	if l.Overtakes(now) {
		t.Error("a link without a consent of its own order overtakes one")
	}
	l.ConsentOrder = now
	if l.Overtakes(now) || l.Overtakes(now.Add(1)) || !l.Overtakes(now.Add(-1)) {
		t.Error("the order of consents is not that of their times")
	}
}
