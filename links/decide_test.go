package links_test

import (
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// triggers are the columns of the table below.
var triggers = map[string]links.Trigger{
	"401":      seen401,
	"expired":  expired,
	"expiring": expiring,
	"other":    {Generation: 4, Reason: events.ReasonUnauthorized}, // an older generation's
	"unknown":  {Fingerprint: "another", Reason: events.ReasonUnauthorized},
	"print":    {Fingerprint: "fingerprint-5", Reason: events.ReasonUnauthorized},
	"future":   {Generation: 6, Reason: events.ReasonUnauthorized},
	"timer":    timer,
}

// decisions is every state against every trigger. It holds for every replay
// rule; the states in which a presentation is open come further down.
const decisions = `
state                  401      expired  expiring  other   unknown  print    future  timer
active                 begin    finish   finish    finish  finish   begin    future  finish
active_due             begin    finish   finish    finish  finish   begin    future  begin
active_ending          begin    begin    begin     finish  finish   begin    future  finish
active_ended           begin    begin    begin     finish  finish   begin    future  finish
active_unknown_end     begin    begin    begin     finish  finish   begin    future  finish
active_refused         begin    begin    begin     finish  finish   begin    future  begin
active_no_refresh      condemn  finish   finish    finish  finish   condemn  future  finish
active_refresh_ended   condemn  finish   finish    finish  finish   condemn  future  finish
active_too_soon        wait     finish   finish    finish  finish   wait     future  finish
active_clock_ahead     begin    finish   finish    finish  finish   begin    future  finish
active_retry_later     mark     finish   finish    finish  finish   mark     future  finish
active_retry_due       begin    finish   finish    finish  finish   begin    future  begin
unverified             finish   finish   finish    finish  finish   finish   future  finish
unverified_due         finish   finish   finish    finish  finish   finish   future  check
consent_required       finish   finish   finish    finish  finish   finish   future  finish
held                   finish   finish   finish    finish  finish   finish   future  finish
replaced               finish   finish   finish    finish  finish   finish   future  finish
superseded             finish   finish   finish    finish  finish   finish   future  finish
revoked                finish   finish   finish    finish  finish   finish   future  finish
quarantined            finish   finish   finish    finish  finish   finish   future  finish
uncertain              mark     finish   finish    finish  finish   mark     future  finish
uncertain_due          mark     finish   finish    finish  finish   mark     future  give_up
uncertain_refused      finish   finish   finish    finish  finish   finish   future  finish
`

// states are the rows.
var states = map[string]func() links.Link{
	"active":               active,
	"active_due":           func() links.Link { return due(active(), links.DueRenew, now) },
	"active_ending":        func() links.Link { return ending(now.Add(5 * time.Minute)) },
	"active_ended":         func() links.Link { return ending(now.Add(-time.Minute)) },
	"active_unknown_end":   func() links.Link { return ending(time.Time{}) },
	"active_refused":       func() links.Link { l := active(); l.Refused = true; return l },
	"active_no_refresh":    func() links.Link { l := active(); l.Refreshable = false; return l },
	"active_refresh_ended": func() links.Link { l := active(); l.RefreshExpiresAt = now; return l },
	"active_too_soon":      func() links.Link { l := active(); l.IssuedAt = now.Add(-9 * time.Second); return l },
	"active_clock_ahead":   func() links.Link { l := active(); l.IssuedAt = now.Add(time.Hour); return l },
	"active_retry_later":   func() links.Link { return due(active(), links.DueRetry, now.Add(time.Second)) },
	"active_retry_due":     func() links.Link { return due(active(), links.DueRetry, now) },
	"unverified":           func() links.Link { return due(in(links.Unverified), links.DueVerify, now.Add(time.Second)) },
	"unverified_due":       func() links.Link { return due(in(links.Unverified), links.DueVerify, now) },
	"consent_required":     func() links.Link { return in(links.ConsentRequired) },
	"held":                 func() links.Link { return in(links.Held) },
	"replaced":             func() links.Link { return in(links.Replaced) },
	"superseded":           func() links.Link { return in(links.Superseded) },
	"revoked":              func() links.Link { return in(links.Revoked) },
	"quarantined":          func() links.Link { return in(links.Quarantined) },
	"uncertain":            func() links.Link { return uncertain("a") },
	"uncertain_due":        func() links.Link { return due(uncertain("a"), links.DueVerdict, now) },
	"uncertain_refused":    func() links.Link { l := uncertain("a"); l.Refused = true; return l },
}

func in(s links.Status) links.Link { l := active(); l.Status = s; return l }

func due(l links.Link, why links.DueFor, when time.Time) links.Link {
	l.Due, l.DueFor = when, why
	return l
}

func ending(when time.Time) links.Link { l := active(); l.ExpiresAt = when; return l }

func TestDecide(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(decisions), "\n")
	columns := strings.Fields(rows[0])[1:]
	if len(columns) != len(triggers) || len(rows)-1 != len(states) {
		t.Fatalf("the table has %d columns and %d rows for %d triggers and %d states", len(columns), len(rows)-1, len(triggers), len(states))
	}
	for _, row := range rows[1:] {
		cells := strings.Fields(row)
		state := states[cells[0]]
		for i, column := range columns {
			for replay := links.Forbidden; replay <= links.UntilSuccessorUsed; replay++ {
				for standing := links.Watched; standing <= links.Closed; standing++ {
					got := state().Decide(triggers[column], view(with(replay), standing))
					if got.Action.String() != cells[i+1] || got.Reason == "" {
						t.Errorf("%s on %s, replay %d, standing %d: %s (%q), want %s", cells[0], column, replay, standing, got.Action, got.Reason, cells[i+1])
					}
				}
			}
		}
	}
}

// openDecisions is what an open presentation is worth: its standing against the
// provider's replay rule. inside and outside are the window, by the store's
// clock; unasked has not asked for that clock, unknown got no answer: no outcome is judged then.
const openDecisions = `
standing  forbidden/unasked  forbidden/outside  forbidden/unknown  safe    grace/unasked  grace/inside  grace/outside  grace/unknown  until/unasked  until/inside  until/outside  until/unknown
watched   wait               wait               wait               wait    wait           wait          wait           wait           wait           wait          wait           wait
over      ask_store          give_up            wait               repeat  ask_store      repeat        give_up        wait           ask_store      repeat        give_up        wait
closed    ask_store          give_up            wait               repeat  ask_store      repeat        give_up        wait           ask_store      repeat        give_up        wait
unsent    clear              clear              clear              clear   clear          clear         clear          clear          clear          clear         clear          clear
`

func TestDecideOpenPresentations(t *testing.T) {
	standings := map[string]links.Standing{"watched": links.Watched, "over": links.Over, "closed": links.Closed, "unsent": links.Unsent}
	rows := strings.Split(strings.TrimSpace(openDecisions), "\n")
	columns := strings.Fields(rows[0])[1:]
	for _, row := range rows[1:] {
		cells := strings.Fields(row)
		for i, column := range columns {
			for _, heard := range []string{"401", "expired", "expiring", "print", "timer"} {
				got := refreshing("a").Decide(triggers[heard], replayView(column, standings[cells[0]]))
				if got.Action.String() != cells[i+1] {
					t.Errorf("%s under %s on %s: %s (%s), want %s", cells[0], column, heard, got.Action, got.Reason, cells[i+1])
				}
			}
			for heard, want := range map[string]links.Action{"other": links.Finish, "unknown": links.Finish, "future": links.Future} {
				if got := refreshing("a").Decide(triggers[heard], replayView(column, standings[cells[0]])); got.Action != want {
					t.Errorf("%s under %s on %s: %s, want %s", cells[0], column, heard, got.Action, want)
				}
			}
		}
	}
}

// replayView reads a column's name. The first intent was stored ten seconds ago
// and a call takes up to 15 of the window's 30 seconds.
func replayView(column string, s links.Standing) links.View {
	rule, clock, _ := strings.Cut(column, "/")
	v := view(with(map[string]links.Replay{
		"forbidden": links.Forbidden, "safe": links.Safe, "grace": links.Grace, "until": links.UntilSuccessorUsed,
	}[rule]), s)
	switch clock {
	case "unasked", "":
		v.Asked, v.StoreNow = false, time.Time{}
	case "unknown":
		v.StoreNow = time.Time{}
	case "inside":
		v.StoreNow = now.Add(5 * time.Second) // + 15 s = the window's last moment
	case "outside":
		v.StoreNow = now.Add(5*time.Second + time.Nanosecond)
	}
	return v
}

// TestWindowNeedsTheFirstIntent: without the store's time of the first intent a
// window counts as over, whatever the clock says.
func TestWindowNeedsTheFirstIntent(t *testing.T) {
	l := active().Begin(links.Attempt{ID: "a"}, false, rules) // never read back
	for _, r := range []links.Replay{links.Grace, links.UntilSuccessorUsed} {
		if d := l.Decide(seen401, view(with(r), links.Closed)); d.Action != links.GiveUp {
			t.Errorf("replay %d: %s, want give_up", r, d.Action)
		}
	}
}

func TestDecideDetails(t *testing.T) {
	for name, c := range map[string]struct {
		link    links.Link
		trigger links.Trigger
		view    links.View
		want    links.Decision
	}{
		"the wait for an attempt is the rest of the patience": {
			refreshing("a"), seen401, view(rules, links.Watched),
			links.Decision{Action: links.Wait, After: 7 * time.Second, Reason: "attempt_under_way"},
		},
		"the wait for the minimum interval is its rest": {
			states["active_too_soon"](), seen401, view(rules, links.Closed),
			links.Decision{Action: links.Wait, After: time.Second, Reason: "minimum_interval"},
		},
		"renewal ahead widens the margin": {
			ending(now.Add(10 * time.Minute)), expiring, view(renewing(0.7), links.Closed),
			links.Decision{Action: links.Begin, Grant: links.GrantRefreshToken, Reason: "due"},
		},
		"a retry that is scheduled is not hurried by a 401, which is kept": {
			states["active_retry_later"](), seen401, view(rules, links.Closed),
			links.Decision{Action: links.Mark, Reason: "retry_is_scheduled"},
		},
		"and kept once": {
			func() links.Link { l := states["active_retry_later"](); l.Refused = true; return l }(), seen401, view(rules, links.Closed),
			links.Decision{Action: links.Finish, Reason: "retry_is_scheduled"},
		},
		"the second ambiguity is put on a timer": {
			refreshing("a", "b"), seen401, view(with(links.Safe), links.Closed),
			links.Decision{Action: links.Postpone, Reason: "ambiguous_again"},
		},
		"a repeat on a timer waits for it": {
			due(refreshing("a", "b"), links.DueRepeat, now.Add(time.Second)), expired, view(with(links.Safe), links.Closed),
			links.Decision{Action: links.Finish, Reason: "repeat_is_scheduled"},
		},
		"and is made when it comes": {
			due(refreshing("a", "b"), links.DueRepeat, now), timer, view(with(links.Safe), links.Closed),
			links.Decision{Action: links.Repeat, Grant: links.GrantRefreshToken, Reason: "replay_allowed"},
		},
		"a kept answer is better than another presentation": {
			refreshing("a").Keep(links.Claim{Attempt: "x", Consent: 2, Generation: 5}, links.KeptCandidate, nil, now), seen401, view(with(links.Safe), links.Closed),
			links.Decision{Action: links.GiveUp, Reason: "answer_kept"},
		},
		"not if it is another generation's": {
			refreshing("a").Keep(links.Claim{Attempt: "x", Consent: 2, Generation: 4}, links.KeptCandidate, nil, now), seen401, view(with(links.Safe), links.Closed),
			links.Decision{Action: links.Repeat, Grant: links.GrantRefreshToken, Reason: "replay_allowed"},
		},
		"a link that says refreshing and lists nothing is mended": {
			in(links.Refreshing), seen401, view(rules, links.Closed),
			links.Decision{Action: links.Clear, Reason: "no_attempt_listed"},
		},
		"our unsent attempt is cleared from uncertain too": {
			uncertain("a"), seen401, view(rules, links.Unsent),
			links.Decision{Action: links.Clear, Reason: "not_sent"},
		},
		"a report that names nothing is stale": {
			active(), links.Trigger{Reason: events.ReasonUnauthorized}, view(rules, links.Closed),
			links.Decision{Action: links.Finish, Reason: "stale"},
		},
		"an empty fingerprint names no link without one": {
			func() links.Link { l := active(); l.Fingerprint = ""; return l }(), links.Trigger{Reason: events.ReasonUnauthorized}, view(rules, links.Closed),
			links.Decision{Action: links.Finish, Reason: "stale"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.link.Decide(c.trigger, c.view); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func renewing(at float64) links.Rules {
	r := rules
	r.RenewAt = at
	return r
}

func TestStandingIsThatOfTheNewestAttempt(t *testing.T) {
	v := view(with(links.Safe), links.Closed)
	v.See = func(id string) links.Sight {
		if id == "b" {
			return links.Sight{Standing: links.Watched, Rest: time.Second}
		}
		return links.Sight{Standing: links.Closed}
	}
	if d := refreshing("a", "b").Decide(seen401, v); d.Action != links.Wait {
		t.Errorf("%s while the newest attempt is under way, want wait", d.Action)
	}
}
