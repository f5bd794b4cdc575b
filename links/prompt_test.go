package links_test

import (
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

const day = 24 * time.Hour

// asking is a provider whose users are asked a week and a day ahead.
var asking = links.Rules{Deadline: time.Minute, RetryBase: time.Second, RetryMax: time.Minute, PromptBefore: []time.Duration{7 * day, day}}

// aged is a link whose first grant has these clocks.
func aged(r links.Rules, g links.Grant) links.Link {
	g.Fingerprint, g.IssuedAt, g.Sealed = "fingerprint-1", now, []byte("s")
	l := links.Link{Address: events.Address{Tenant: "default", Provider: "op", Link: "link-1"}, Nickname: "Main"}
	return links.Import(l, g, origin, now, r, 0)
}

// live lets days pass: whenever the alarm has come, what Decide says of a timer is done.
// It returns what was announced, by day, and the days on which a refresh was due.
func live(t *testing.T, l links.Link, r links.Rules, days int, refresh func(links.Link, time.Time) links.Link) (said map[string][]int, refreshed []int, end links.Link) {
	t.Helper()
	said = map[string][]int{}
	number := l.EventNumber
	for hour := range days * 24 {
		at := now.Add(time.Duration(hour) * time.Hour)
		for turn := 0; !l.Alarm().IsZero() && !at.Before(l.Alarm()); turn++ {
			if turn > 5 {
				t.Fatalf("hour %d: the alarm does not come to rest: %v, due %v for %s, prompt %+v", hour, l.Alarm(), l.Due, l.DueFor, l.Prompt)
			}
			v := links.View{Now: at, Rules: r, See: func(string) links.Sight { return links.Sight{} }}
			switch d := l.Decide(links.Trigger{Timer: true}, v); d.Action {
			case links.Ask:
				l = l.Prompted(r, origin, at)
			case links.Begin:
				refreshed = append(refreshed, hour/24)
				l = refresh(l, at)
			case links.Condemn:
				l = l.Condemn(d.Reason, origin, at)
			default:
				t.Fatalf("hour %d: %s (%s)", hour, d.Action, d.Reason)
			}
		}
		for ; number < l.EventNumber; number++ {
			name := nameOf(t, l, number+1)
			said[name] = append(said[name], hour/24)
		}
	}
	return said, refreshed, l
}

func nameOf(t *testing.T, l links.Link, number uint64) string {
	t.Helper()
	for _, e := range l.Outbox {
		if e.Number == number {
			decoded, err := events.Decode(nil, e.Event)
			if err != nil {
				t.Fatal(err)
			}
			name, err := events.ParseType(decoded.Type())
			if err != nil {
				t.Fatal(err)
			}
			return string(name)
		}
	}
	t.Fatalf("event %d is not in the outbox", number)
	return ""
}

func wantDays(t *testing.T, said map[string][]int, want map[string][]int) {
	t.Helper()
	for name, days := range want {
		if !slices.Equal(said[name], days) {
			t.Errorf("%s on days %v, want %v", name, said[name], days)
		}
	}
	for name, days := range said {
		if _, ok := want[name]; !ok && name != "token-rotated" {
			t.Errorf("%s on days %v, want none", name, days)
		}
	}
}

// R16: the user is asked on the configured days before the consent ends, once each,
// and when it has ended, once; then there is silence (R9).
func TestR16PromptsBeforeAConsentEnds(t *testing.T) {
	l := aged(asking, links.Grant{Refreshable: true, ConsentExpiresAt: now.Add(30 * day)})
	said, _, end := live(t, l, asking, 60, nil)
	wantDays(t, said, map[string][]int{"consent-expiring": {23, 29}, "consent-required": {30}})
	if end.Status != links.ConsentRequired || !end.Alarm().IsZero() {
		t.Errorf("ended as %s with an alarm at %v", end.Status, end.Alarm())
	}
}

// A refresh leaves the consent's end where it was: nobody is asked twice for it.
func TestR16ARefreshAsksNobodyTwice(t *testing.T) {
	r := asking
	r.RenewAt = 0.5
	grant := func(at time.Time) links.Grant {
		return links.Grant{Fingerprint: "f", Refreshable: true, Sealed: []byte("s"), IssuedAt: at, ExpiresAt: at.Add(2 * day)}
	}
	first := grant(now)
	first.ConsentExpiresAt = now.Add(30 * day)
	said, refreshed, _ := live(t, aged(r, first), r, 29, func(l links.Link, at time.Time) links.Link {
		l = l.Begin(links.Attempt{ID: "a" + at.String()}, false, rules)
		return l.Commit(links.Claim{Attempt: "a" + at.String(), Consent: l.Consent, Generation: l.Generation}, grant(at), events.CauseRenewal, origin, at, r, 0)
	})
	wantDays(t, said, map[string][]int{"consent-expiring": {23}})
	if len(refreshed) != 28 {
		t.Errorf("refreshed on %v, want daily", refreshed)
	}
}

// A reconsent winds the clock up: the prompts of the old consent are silent.
func TestR16ReconsentSilencesPrompts(t *testing.T) {
	l := aged(asking, links.Grant{Refreshable: true, ConsentExpiresAt: now.Add(30 * day)})
	said, _, l := live(t, l, asking, 25, nil)
	wantDays(t, said, map[string][]int{"consent-expiring": {23}})
	at := now.Add(25 * day)
	c := completed(at)
	c.Grant.IssuedAt, c.Grant.ConsentExpiresAt = at, at.Add(30*day)
	l = l.Reconsent(c, origin, at, asking, 0)
	if want := at.Add(23 * day); l.Prompt == nil || !l.Prompt.At.Equal(want) {
		t.Errorf("next prompt %+v, want at %v", l.Prompt, want)
	}
}

// R8, R29: a credential that is kept alive ends nothing; one that is not, does;
// and the bearer's end counts only where nothing can renew it.
func TestClocksAreNotTakenForOneAnother(t *testing.T) {
	keeping := asking
	keeping.KeepAlive = 7 * day
	for name, c := range map[string]struct {
		rules links.Rules
		grant links.Grant
		want  map[string][]int
		due   []int
	}{
		"kept alive": {
			keeping, links.Grant{Refreshable: true, ExpiresAt: now.Add(2 * time.Hour), RefreshExpiresAt: now.Add(10 * day)},
			map[string][]int{}, []int{7, 14, 21, 28},
		},
		"idle": {
			asking, links.Grant{Refreshable: true, ExpiresAt: now.Add(2 * time.Hour), RefreshExpiresAt: now.Add(10 * day)},
			map[string][]int{"consent-expiring": {3, 9}, "consent-required": {10}}, nil,
		},
		"the bearer outlives its refresh credential": {
			asking, links.Grant{Refreshable: true, ExpiresAt: now.Add(14 * day), RefreshExpiresAt: now.Add(10 * day)},
			map[string][]int{"consent-expiring": {3, 9}, "consent-required": {14}}, nil,
		},
		"a bearer that nothing renews": {
			asking, links.Grant{ExpiresAt: now.Add(14 * day)},
			map[string][]int{"consent-expiring": {7, 13}, "consent-required": {14}}, nil,
		},
		"shorter than the longest prompt": {
			asking, links.Grant{Refreshable: true, ConsentExpiresAt: now.Add(5 * day), ExpiresAt: now.Add(time.Hour)},
			map[string][]int{"consent-expiring": {4}, "consent-required": {5}}, nil,
		},
		"for ever": {asking, links.Grant{Refreshable: true, ExpiresAt: now.Add(time.Hour)}, map[string][]int{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			said, refreshed, _ := live(t, aged(c.rules, c.grant), c.rules, 30, func(l links.Link, at time.Time) links.Link {
				g := c.grant
				g.Fingerprint, g.Sealed, g.IssuedAt = "f", []byte("s"), at
				g.ExpiresAt, g.RefreshExpiresAt = at.Add(2*time.Hour), at.Add(10*day)
				l = l.Begin(links.Attempt{ID: "a" + at.String()}, false, rules)
				return l.Commit(links.Claim{Attempt: "a" + at.String(), Consent: l.Consent, Generation: l.Generation}, g, events.CauseRenewal, origin, at, c.rules, 0)
			})
			wantDays(t, said, c.want)
			if !slices.Equal(refreshed, c.due) {
				t.Errorf("refreshed on days %v, want %v", refreshed, c.due)
			}
		})
	}
}

// While an exchange is put off, no alarm that lies before it rings in circles.
func TestAlarmWaitsForAnExchangeThatWasPutOff(t *testing.T) {
	l := aged(asking, links.Grant{Refreshable: true, ConsentExpiresAt: now.Add(30 * day)})
	l, _ = l.Open(links.Exchange{Flow: "f", ID: "id", At: now})
	again := now.Add(40 * day)
	l = l.PutOff("f", again)
	if !l.Alarm().Equal(again) {
		t.Errorf("alarm at %v, want %v", l.Alarm(), again)
	}
}

// A refresh credential that ends with the consent has lost the consent. Answers tell whole
// seconds, so it may end a moment sooner.
func TestAnEndOfTheConsentIsToldAsThat(t *testing.T) {
	ends := now.Add(10 * day)
	for sooner, want := range map[time.Duration]string{
		0: links.ReasonConsentExpired, 999 * time.Millisecond: links.ReasonConsentExpired,
		time.Second: links.ReasonRefreshExpired, day: links.ReasonRefreshExpired,
	} {
		refresh := ends.Add(-sooner)
		l := aged(asking, links.Grant{Refreshable: true, ExpiresAt: now.Add(time.Hour), RefreshExpiresAt: refresh, ConsentExpiresAt: ends})
		l.Prompt = &links.Prompt{Clock: events.ClockConsent, Ends: ends, At: ends}
		report := links.Trigger{Generation: 1, Reason: events.ReasonUnauthorized}
		d := l.Decide(report, links.View{Now: refresh, Rules: asking, See: func(string) links.Sight { return links.Sight{} }})
		if d.Action != links.Condemn || d.Reason != want {
			t.Errorf("%v sooner: %s because of %s, want %s", sooner, d.Action, d.Reason, want)
		}
	}
}
