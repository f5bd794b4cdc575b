package links_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// full is a link with something in every field and every list, in slices with
// room to spare: a transition that appends in place would write into the caller's.
func full() links.Link {
	l := refreshing("a", "b")
	l.Subject, l.ClientID, l.Accounts = "subject-hmac", "client", []string{"account-1"}
	l.RefreshExpiresAt, l.ConsentExpiresAt = now.Add(30*24*time.Hour), now.Add(90*24*time.Hour)
	l = l.Keep(links.Claim{Attempt: "p", Consent: 2, Generation: 5}, links.KeptPending, []byte("sealed pending"), now)
	l = l.Keep(links.Claim{Attempt: "c", Consent: 2, Generation: 5}, links.KeptCandidate, []byte("sealed candidate"), now)
	l.Consented, l.ConsentOrder, l.Customer, l.AccountsUnknown = 3, now.Add(-24*time.Hour), "customer-hmac", "unreachable"
	l.Successor = &events.Address{Tenant: "default", Provider: "op", Link: "link-2"}
	l.Exchange = &links.Exchange{Flow: "flow-key", ID: "flow", Worker: "worker-1", At: now, Again: now.Add(time.Minute)}
	l.Hold = &links.Hold{Flow: "held-key", ID: "held", Consent: 3, By: *l.Successor, Exists: true, Subject: "other-hmac", Until: now.Add(time.Hour)}
	l.Refusals = append(make([]links.Refusal, 0, 4), links.Refusal{Consent: "other-flow", Ruling: 1, At: now})
	l.APIKey, l.Spent = true, append(make([]links.GrantType, 0, 4), links.GrantAPIKey)
	l.Awaiting = &links.Awaiting{Since: now, AskedAt: now, Reason: links.CredentialsNoAnswer, Told: true}
	l.Doomed, l.InDoubt = links.ReasonGrantDead, true
	l.Stop = &links.Stop{Times: 1, Generation: 4}
	l.FreshRefusals = append(make([]time.Time, 0, 4), now.Add(-time.Minute))
	l.Prompt = &links.Prompt{Clock: events.ClockConsent, Ends: now.Add(90 * 24 * time.Hour), At: now.Add(83 * 24 * time.Hour)}
	l.Consents = []links.Consent{{Number: 1, At: now, Cause: "import", Scopes: []string{"a"}}}
	l.History = []links.Change{{At: now, What: "created", Generation: 1, Consent: 1}}
	l.Outbox = []links.Entry{{Number: 9, Event: json.RawMessage(`{"number":9}`)}}
	l.Failures, l.AnswersUntil = 2, now.Add(time.Minute)
	l.Due, l.DueFor = now.Add(time.Minute), links.DueRepeat
	l.Attempts, l.Kept = slices.Grow(l.Attempts, 4), slices.Grow(l.Kept, 4)
	l.Consents, l.History, l.Outbox = slices.Grow(l.Consents, 4), slices.Grow(l.History, 4), slices.Grow(l.Outbox, 4)
	l.Scopes, l.Accounts = slices.Grow(l.Scopes, 4), slices.Grow(l.Accounts, 4)
	return l
}

// completed is a consent to the same link that was asked for last.
func completed(order time.Time) links.Completed {
	g := grantFor(6, now)
	g.Scopes, g.ScopesGiven, g.Comparison = []string{"b", "c"}, true, "same"
	return links.Completed{
		Flow: "flow-key", ID: "flow", Event: "event", Order: order, Subject: "subject-hmac", ClientID: "client",
		Accounts: []string{"account-2"}, Grant: g,
	}
}

func taken(order time.Time) links.Taken {
	return links.Taken{
		Flow: "flow-key", ID: "flow", Order: order, By: events.Address{Tenant: "default", Provider: "op", Link: "link-2"},
		Reason: events.ReplacedDifferentLogin, Subject: "other-hmac", Scopes: []string{"b"}, Accounts: []string{"account-2"}, AccountsKnown: true,
	}
}

var claimA = links.Claim{Attempt: "a", Consent: 2, Generation: 5}

// transitions are all ways to change a link.
var transitions = map[string]func(links.Link) links.Link{
	"Begin": func(l links.Link) links.Link {
		return l.Begin(links.Attempt{ID: "n", Worker: "w", At: now}, true, rules)
	},
	"Commit": func(l links.Link) links.Link {
		g := grantFor(6, now)
		g.Scopes, g.ScopesGiven = []string{"b", "c"}, true
		return l.Commit(claimA, g, events.CauseRefresh, origin, now, renewing(0.8), 0.5)
	},
	"Promote": func(l links.Link) links.Link {
		k, _ := l.KeptOf(links.KeptCandidate)
		return l.Promote(k, grantFor(6, now), origin, now, rules, 0.5)
	},
	"Promote without bearer": func(l links.Link) links.Link {
		k, _ := l.KeptOf(links.KeptCandidate)
		return l.Promote(k, links.Grant{Refreshable: true, Sealed: []byte("s")}, origin, now, rules, 0.5)
	},
	"Keep": func(l links.Link) links.Link {
		return l.Keep(links.Claim{Attempt: "k"}, links.KeptLate, []byte("s"), now)
	},
	"Park":       func(l links.Link) links.Link { return l.Park(claimA, []byte("s"), now, rules, 0.5) },
	"Quarantine": func(l links.Link) links.Link { return l.Quarantine(claimA, []byte("s"), "subject", origin, now) },
	"Open": func(l links.Link) links.Link {
		l, _ = l.Open(links.Exchange{Flow: "flow-key", ID: "flow", Worker: "w", At: now})
		return l
	},
	"Close":         func(l links.Link) links.Link { return l.Close("flow-key") },
	"PutOff":        func(l links.Link) links.Link { return l.PutOff("flow-key", now.Add(time.Hour)) },
	"ConsentFailed": func(l links.Link) links.Link { return l.ConsentFailed(*l.Exchange, "code_rejected", origin, now) },
	"Reconsent":     func(l links.Link) links.Link { return l.Reconsent(completed(now), origin, now, renewing(0.8), 0.5) },
	"Lose":          func(l links.Link) links.Link { return l.Lose(taken(now), origin, now) },
	"HoldFor":       func(l links.Link) links.Link { return l.HoldFor(taken(now), true, now.Add(time.Hour), origin, now) },
	"LetGo":         func(l links.Link) links.Link { return l.LetGo(links.ReasonRejected, origin, now) },
	"Refuse":        func(l links.Link) links.Link { return l.Refuse("flow", 2, now) },
	"Prompted":      func(l links.Link) links.Link { return l.Prompted(rules, origin, now) },
	"Revoke":        func(l links.Link) links.Link { return l.Revoke("logout", true, now, origin, now) },
	"Condemn":       func(l links.Link) links.Link { return l.Condemn(links.ReasonGrantDead, origin, now) },
	"Dead":          func(l links.Link) links.Link { return l.Dead("a", links.ReasonGrantDead, origin, now, rules) },
	"CredentialsMissing": func(l links.Link) links.Link {
		return l.CredentialsMissing("a", links.CredentialsRefused, origin, now, rules)
	},
	"HoldVerdict": func(l links.Link) links.Link { return l.HoldVerdict("a", links.ReasonGrantDead, now, rules, 0.5) },
	"Say": func(l links.Link) links.Link {
		return l.Say(events.AppSuspended{Address: address, App: "op", Reason: "invalid_client"}, origin, now)
	},
	"Reject":   func(l links.Link) links.Link { return l.Reject(view(guarded(false), links.Over), origin) },
	"GiveUp":   func(l links.Link) links.Link { return l.GiveUp(view(rules, links.Over), origin) },
	"Mark":     func(l links.Link) links.Link { return l.Mark(view(rules, links.Over), origin) },
	"Postpone": func(l links.Link) links.Link { return l.Postpone(now, rules, 0.5) },
	"Clear":    func(l links.Link) links.Link { l, _ = l.Clear("a", now, time.Time{}, rules, 0.5); return l },
	"Clear both": func(l links.Link) links.Link {
		l, _ = l.Clear("a", now, time.Time{}, rules, 0.5)
		l, _ = l.Clear("b", now, time.Time{}, rules, 0.5)
		return l
	},
	"Settled":  func(l links.Link) links.Link { return l.Settled(9) },
	"Observed": func(l links.Link) links.Link { return l.Observed(now) },
	"Drop":     func(l links.Link) links.Link { return l.Drop(links.KeptCandidate) },
	"Public":   func(l links.Link) links.Link { return l.Public() },
	"Doubt": func(l links.Link) links.Link {
		return l.Doubt(7, 20, []byte("sealed-7"), now, rules)
	},
}

// TestTransitionsArePure: what a transition is called on stays as it was, also
// behind the ends of its lists, and two results of one link share nothing that
// either could write to.
func TestTransitionsArePure(t *testing.T) {
	for name, step := range transitions {
		t.Run(name, func(t *testing.T) {
			l, same := full(), full()
			before := beyond(l)
			next := step(l)
			if !reflect.DeepEqual(l, same) {
				t.Errorf("the link it was called on has changed:\n%+v\nwant\n%+v", l, same)
			}
			if after := beyond(l); !reflect.DeepEqual(before, after) {
				t.Errorf("it wrote behind the end of a list: %v", after)
			}
			again := step(full())
			if !reflect.DeepEqual(encode(t, next), encode(t, again)) {
				t.Error("the same facts gave another result")
			}
		})
	}
}

// beyond is what lies in the room to spare of every list.
func beyond(l links.Link) []any {
	return []any{
		l.Attempts[:cap(l.Attempts)], l.Kept[:cap(l.Kept)], l.Consents[:cap(l.Consents)],
		l.History[:cap(l.History)], l.Outbox[:cap(l.Outbox)], l.Scopes[:cap(l.Scopes)], l.Accounts[:cap(l.Accounts)],
	}
}

// TestTransitionsKeepNumbersRising holds for every transition from every state.
func TestTransitionsKeepNumbersRising(t *testing.T) {
	for name, step := range transitions {
		for _, s := range []links.Status{
			links.Active, links.Refreshing, links.Unverified, links.Uncertain, links.ConsentRequired,
			links.Held, links.Replaced, links.Superseded, links.Revoked, links.Quarantined,
		} {
			l := full()
			l.Status = s
			next := step(l)
			if next.Generation < l.Generation || next.Consent < l.Consent || next.EventNumber < l.EventNumber || next.DueNumber < l.DueNumber {
				t.Errorf("%s from %s goes back: generation %d, consent %d, event %d, due %d", name, s, next.Generation, next.Consent, next.EventNumber, next.DueNumber)
			}
			if (!next.Due.Equal(l.Due) || next.DueFor != l.DueFor && next.DueFor != "") && next.DueNumber == l.DueNumber {
				t.Errorf("%s from %s changes what is due without a new number", name, s)
			}
			if added := len(next.Outbox) - len(l.Outbox); name != "Settled" && name != "Doubt" && uint64(max(added, 0)) != next.EventNumber-l.EventNumber {
				t.Errorf("%s from %s: %d entries for events %d to %d", name, s, added, l.EventNumber, next.EventNumber)
			}
		}
	}
}

// TestOutboxIsWhatItAnnounced: numbers are consecutive, ids follow from link and
// number, and entries never change once they are written.
func TestOutboxIsWhatItAnnounced(t *testing.T) {
	l := active()
	var written []links.Entry
	for range 5 {
		l = l.Begin(links.Attempt{ID: fmt.Sprint("attempt-", l.Generation)}, true, rules)
		l = l.GiveUp(view(rules, links.Closed), origin) // Condemn: an event
		l = l.Commit(links.Claim{Attempt: fmt.Sprint("attempt-", l.Generation)}, grantFor(l.Generation+1, now), events.CauseRefresh, origin, now, rules, 0)
		if len(written) > 0 && !reflect.DeepEqual(l.Outbox[:len(written)], written) {
			t.Fatal("an entry that was written has changed")
		}
		written = slices.Clone(l.Outbox)
	}
	if len(written) != 15 {
		t.Fatalf("%d entries, want condemned, rotated and recovered five times", len(written))
	}
	for i, entry := range written {
		e, err := events.Decode(nil, entry.Event)
		if err != nil {
			t.Fatal(err)
		}
		number, err := events.Number(e)
		if want := uint64(10 + i); err != nil || entry.Number != want || number != want || e.ID() != events.OutputID(address, want) {
			t.Errorf("entry %d: number %d, in the event %d (%v), id %s", i, entry.Number, number, err, e.ID())
		}
	}
	if rest := l.Settled(21).Outbox; len(rest) != 3 || rest[0].Number != 22 {
		t.Errorf("%d entries are left after 21, want 22 to 24", len(rest))
	}
	if rest := l.Settled(99).Outbox; len(rest) != 0 {
		t.Errorf("%d entries are left after all", len(rest))
	}
}

func encode(t testing.TB, l links.Link) string {
	t.Helper()
	data, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
