package links_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	address = events.Address{Tenant: "default", Provider: "op", Link: "link-1"}
	origin  = links.Origin{Source: "urn:regrant:test", Trace: events.Trace{CorrelationID: "c", CausationID: "e"}}
	// rules without a jittered renewal; the replay rule is each test's own.
	rules = links.Rules{
		Replay: links.Forbidden, Window: 30 * time.Second, Deadline: 15 * time.Second, MinInterval: 10 * time.Second,
		RenewMargin: 5 * time.Minute, RetryBase: time.Second, RetryMax: time.Minute,
	}
)

// with is rules under a replay rule.
func with(r links.Replay) links.Rules {
	c := rules
	c.Replay = r
	return c
}

// grantFor is an answer for a generation, asked for at t, alive for an hour.
func grantFor(generation uint64, t time.Time) links.Grant {
	return links.Grant{
		Fingerprint: fmt.Sprint("fingerprint-", generation), Refreshable: true, IssuedAt: t, ExpiresAt: t.Add(time.Hour),
		Comparison: string(events.ComparisonSame), Sealed: fmt.Appendf(nil, "sealed-%d", generation),
	}
}

// active is a link of generation 5, issued half an hour ago, alive for another.
func active() links.Link {
	return links.Link{
		Version: links.Version, Address: address, User: "user-1", Nickname: "Main", Status: links.Active,
		Generation: 5, Consent: 2, Fingerprint: "fingerprint-5", Refreshable: true, Scopes: []string{"a", "b"},
		IssuedAt: now.Add(-30 * time.Minute), ExpiresAt: now.Add(30 * time.Minute),
		EventNumber: 9, DueNumber: 4, Sealed: []byte("sealed-5"),
	}
}

// refreshing is active after its first intents, stored ten seconds ago.
func refreshing(attempts ...string) links.Link {
	l := active()
	for _, id := range attempts {
		l = l.Begin(links.Attempt{ID: id, Worker: "worker-1", At: now.Add(-10 * time.Second)}, false, rules)
	}
	return l.Observed(now.Add(-10 * time.Second))
}

// uncertain is refreshing after it was given up, with a verdict due later.
func uncertain(attempts ...string) links.Link {
	return refreshing(attempts...).GiveUp(view(rules, links.Over), origin)
}

// seeing makes every attempt stand as given.
func seeing(s links.Standing) func(string) links.Sight {
	return func(string) links.Sight { return links.Sight{Standing: s, Rest: 7 * time.Second} }
}

// view is a View at now. The store's clock was asked and agrees.
func view(r links.Rules, s links.Standing) links.View {
	return links.View{Now: now, Rules: r, Jitter: 0.5, See: seeing(s), StoreNow: now, Asked: true}
}

var (
	seen401  = links.Trigger{Generation: 5, Reason: events.ReasonUnauthorized}
	expired  = links.Trigger{Generation: 5, Reason: events.ReasonExpired}
	expiring = links.Trigger{Generation: 5, Reason: events.ReasonExpiring}
	timer    = links.Trigger{Timer: true}
)

func at(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
