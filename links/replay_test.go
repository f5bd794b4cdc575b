package links_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// A replayed report says nothing that the link has not heard: it begins only what was
// due when it was made and still is.
func TestAReplayedReportBeginsNothingNew(t *testing.T) {
	now := time.Unix(100_000, 0)
	issued, expires := now.Add(-time.Hour), now.Add(-time.Minute)
	link := links.Link{Status: links.Active, Generation: 3, IssuedAt: issued.Add(-time.Hour), CommittedAt: issued, ExpiresAt: expires, Refreshable: true}
	in := func(s links.Status) links.Link { l := link; l.Status = s; return l }
	awaiting := link
	awaiting.Awaiting = &links.Awaiting{}
	view := links.View{Now: now, Rules: links.Rules{RenewMargin: 5 * time.Minute}, See: func(string) links.Sight { return links.Sight{} }}
	for name, c := range map[string]struct {
		link   links.Link
		reason events.Reason
		first  time.Time
		want   string
	}{
		"new":                                  {link, events.ReasonExpired, time.Time{}, "due"},
		"made when the bearer was expiring":    {link, events.ReasonExpired, expires, "due"},
		"made when the bearer was fresh":       {link, events.ReasonExpired, issued.Add(time.Minute), "bearer_not_expiring"},
		"a 401 that nobody acted on":           {link, events.ReasonUnauthorized, issued.Add(time.Minute), "due"},
		"made before the bearer was":           {link, events.ReasonUnauthorized, issued.Add(-time.Minute), "older_than_its_bearer"},
		"of a link that is uncertain":          {in(links.Uncertain), events.ReasonUnauthorized, expires, "heard_already"},
		"of a link that needs its user":        {in(links.ConsentRequired), events.ReasonUnauthorized, expires, "heard_already"},
		"of a link that waits for its session": {awaiting, events.ReasonUnauthorized, expires, "heard_already"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.link.Decide(links.Trigger{Generation: 3, Reason: c.reason, First: c.first}, view)
			if got.Reason != c.want {
				t.Errorf("%s, %s; want %s", got.Action, got.Reason, c.want)
			}
		})
	}
}

// A logout of a link that is logged out counts nevertheless: a consent that was begun
// between the two must not bring the link back.
func TestALaterLogoutIsNoted(t *testing.T) {
	at := time.Unix(100_000, 0)
	l := active().Revoke("logout", false, at, origin, at)
	if d := l.DecideLogout(at); d.Action != links.Finish {
		t.Errorf("the same logout again: %s", d.Action)
	}
	later := at.Add(time.Hour)
	if d := l.DecideLogout(later); d.Action != links.Mark {
		t.Fatalf("a later logout: %s, %s", d.Action, d.Reason)
	}
	again := l.Revoke("logout", false, later, origin, later)
	if !again.Overtakes(later.Add(-time.Minute)) || again.EventNumber != l.EventNumber || again.DueNumber == l.DueNumber {
		t.Errorf("%+v", again)
	}
	if d := again.DecideLogout(at.Add(time.Minute)); d.Action != links.Finish {
		t.Errorf("an earlier one after it: %s", d.Action)
	}
}
