package links_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/links"
)

// TestFirstIntentTime: the store's time of the first intent of a generation is
// told on the first read and kept by every write after it, also by repeats.
func TestFirstIntentTime(t *testing.T) {
	first, later := now.Add(-time.Minute), now
	l := active().Observed(first)
	if !l.FirstIntentAt.IsZero() {
		t.Error("a link without an intent has a first one")
	}
	l = l.Begin(links.Attempt{ID: "a"}, false, rules)
	if !l.FirstIntentAt.IsZero() {
		t.Error("an intent claims to know when it will be stored")
	}
	l = l.Observed(first)
	at(t, "after the first read", l.FirstIntentAt, first)
	l = l.Begin(links.Attempt{ID: "b"}, false, rules).Observed(later)
	at(t, "after a repeat", l.FirstIntentAt, first)
	l = l.Postpone(now, rules, 0).Observed(later)
	at(t, "after a postponement", l.FirstIntentAt, first)
	l, _ = l.Clear("b", now, time.Time{}, rules, 0)
	at(t, "after the repeat was cleared", l.Observed(later).FirstIntentAt, first)
	l, _ = l.Clear("a", now, time.Time{}, rules, 0)
	if !l.FirstIntentAt.IsZero() {
		t.Error("kept though no intent is left")
	}
	at(t, "of the next intent", l.Begin(links.Attempt{ID: "c"}, false, rules).Observed(later).FirstIntentAt, later)
}

func TestBegin(t *testing.T) {
	l := due(refreshing("a"), links.DueRepeat, now)
	got := l.Begin(links.Attempt{ID: "b", Worker: "w", At: now}, true, rules)
	if got.Status != links.Refreshing || !got.Lists("a") || !got.Lists("b") || !got.Refused {
		t.Errorf("%s, attempts %v, refused %v", got.Status, got.Attempts, got.Refused)
	}
	if cur, _ := got.Current(); cur.ID != "b" || got.DueFor == links.DueRepeat {
		t.Errorf("current %s, still due for %q", cur.ID, got.DueFor)
	}
	if again := got.Begin(links.Attempt{ID: "c"}, false, rules); !again.Refused {
		t.Error("a 401 that was seen is forgotten")
	}
}

// TestClear takes out one attempt, and what is left decides.
func TestClear(t *testing.T) {
	for name, c := range map[string]struct {
		link    links.Link
		attempt string
		cleared bool
		status  links.Status
		left    int
		dueFor  links.DueFor
	}{
		"the only one":                       {refreshing("a"), "a", true, links.Active, 0, links.DueRetry},
		"one of two, newest":                 {refreshing("a", "b"), "b", true, links.Refreshing, 1, links.DueRepeat},
		"one of two, oldest":                 {refreshing("a", "b"), "a", true, links.Refreshing, 1, links.DueRepeat},
		"the only one, given up":             {uncertain("a"), "a", true, links.Active, 0, links.DueRetry},
		"one of two, given up":               {uncertain("a", "b"), "b", true, links.Uncertain, 1, links.DueVerdict},
		"somebody else's":                    {refreshing("a"), "x", false, links.Refreshing, 1, ""},
		"none listed, which says refreshing": {in(links.Refreshing), "x", true, links.Active, 0, links.DueRetry},
		"not open: active":                   {active(), "a", false, links.Active, 0, ""},
		"not open: condemned":                {uncertain("a").Condemn("", origin, now), "a", false, links.ConsentRequired, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, cleared := c.link.Clear(c.attempt, now, time.Time{}, rules, 0)
			if cleared != c.cleared || got.Status != c.status || len(got.Attempts) != c.left || got.DueFor != c.dueFor {
				t.Errorf("cleared %v, %s, %d left, due for %q", cleared, got.Status, len(got.Attempts), got.DueFor)
			}
			if got.Lists(c.attempt) && cleared {
				t.Error("it is still listed")
			}
			if c.status == links.Active && !got.FirstIntentAt.IsZero() {
				t.Error("the window of a generation without intents goes on")
			}
		})
	}
}

// TestBackoff: doubling from the base to the most, a fifth of it jitter, and the
// provider's word if that is later.
func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 1, 1: 2, 2: 4, 5: 32, 6: 60, 500: 60} {
		l := refreshing("a")
		l.Failures = failures
		got, _ := l.Clear("a", now, time.Time{}, rules, 0)
		at(t, fmt.Sprintf("Due after %d failures", failures+1), got.Due, now.Add(want*time.Second))
		got, _ = l.Clear("a", now, time.Time{}, rules, 0.5)
		at(t, fmt.Sprintf("Due after %d failures with jitter", failures+1), got.Due, now.Add(want*time.Second*9/10))
	}
	told, _ := refreshing("a").Clear("a", now, now.Add(time.Hour), rules, 0)
	at(t, "Due with Retry-After", told.Due, now.Add(time.Hour+100*time.Millisecond))
	jittered, _ := refreshing("a").Clear("a", now, now.Add(time.Hour), rules, 0.9)
	if jittered.Due.Equal(told.Due) || jittered.Due.Before(now.Add(time.Hour)) {
		t.Errorf("Due with Retry-After and jitter is %v", jittered.Due)
	}
	others, _ := refreshing("a", "b").Clear("b", now, now.Add(time.Hour), rules, 0)
	at(t, "Due with Retry-After while another attempt is listed", others.Due, now.Add(time.Hour+100*time.Millisecond))
	sooner, _ := refreshing("a").Clear("a", now, now.Add(time.Millisecond), rules, 0)
	at(t, "Due with a Retry-After that is shorter", sooner.Due, now.Add(time.Second))
	at(t, "Due of a postponed repeat", refreshing("a", "b").Postpone(now, rules, 0).Due, now.Add(time.Second))
}

// TestClearedLinkIsTriedAgain follows the decision through: retry when due, not before.
func TestClearedLinkIsTriedAgain(t *testing.T) {
	l, _ := refreshing("a").Clear("a", now, now.Add(time.Minute), rules, 0)
	l.ExpiresAt = now.Add(-time.Hour)
	if d := l.Decide(expired, view(rules, links.Closed)); d.Action != links.Finish {
		t.Errorf("%s before the provider's Retry-After", d.Action)
	}
	v := view(rules, links.Closed)
	v.Now = l.Due
	if d := l.Decide(timer, v); d.Action != links.Begin {
		t.Errorf("%s when it is due", d.Action)
	}
}
