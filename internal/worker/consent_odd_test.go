package worker_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// A reason that events name and no row of the table ends in would be a promise
// that nobody has tried.
func TestEveryReasonOfAFailedConsentHasItsRow(t *testing.T) {
	elsewhere := []string{
		events.ConsentNewerConsent,                        // the order of consents: handlers
		events.ConsentRejected, events.ConsentHoldExpired, // holds: handlers, canary
		events.ConsentUnverifiable, // TestKeysAwayDelayAConsent
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../../events/prompts.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Consent") {
			return true
		}
		found++
		reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		row := slices.ContainsFunc(answers, func(a answer) bool { return a.event == failed && a.reason == reason })
		if !row && !slices.Contains(elsewhere, reason) {
			t.Errorf("no row ends in %s", reason)
		}
		return true
	})
	if found < 20 {
		t.Errorf("%d reasons were found in package events: they have moved", found)
	}
}

// settled waits until the worker has settled all inputs of a provider, of which
// nothing else can be told: no event, no dead letter.
func (s *stack) settled(t *testing.T, provider string) {
	t.Helper()
	names := s.Bus.Names()
	testenv.Eventually(t, limit, "the inputs are settled", func() bool {
		c, err := s.Bus.JetStream().Consumer(t.Context(), names.In(), names.WorkerConsumer(provider))
		if err != nil {
			t.Fatal(err)
		}
		info := c.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

// An input that comes again, under a new id and after its flow has ended, changes
// nothing and presents nothing, whatever the flow's end was.
func TestAReplayedConsentDoesNothing(t *testing.T) {
	s := newStack(t, map[string]consenting{"op": consentProviders["op"]})
	for name, begin := range map[string]func(*round){
		"applied":  func(r *round) { r.consent(r.link.Sub, nil) },
		"staged":   staged,
		"declined": func(r *round) { r.consent(r.link.Sub, nil, providertest.Deny("")) },
		"rejected": func(r *round) { r.consent(r.link.Sub, nil); r.data["code"] = "forged-code-of-nobody" },
		"hostile":  func(r *round) { r.consent(r.link.Sub, nil, claims("azp", "another")...) },
		"replaced": func(r *round) { r.consent("somebody-else-"+r.link.Sub, nil) },
		"unknown": func(r *round) {
			r.consent(r.link.Sub, nil)
			family, _ := r.Sim.FamilyOf(r.data["code"].(string))
			r.Sim.Script("op", providertest.Fault{When: providertest.After, Kind: providertest.Reset, Family: family})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.standing(t, "op")
			begin(r)
			r.told(r.address, r.send())
			s.settled(t, "op")
			was, flow, shown := link(t, s.Cell, r.address), r.flow(), len(r.presentations())
			for range 3 {
				r.send()
			}
			s.settled(t, "op")
			r.untouched(was)
			if is := r.flow(); is.Status != flow.Status || is.Reason != flow.Reason || is.Attempt != flow.Attempt {
				t.Errorf("the flow was %s and is %s for %q", flow.Status, is.Status, is.Reason)
			}
			if n := len(r.presentations()); n != shown {
				t.Errorf("%d presentations after the replays, %d before", n, shown)
			}
		})
	}
}

// presentations are all that the provider has seen.
func (r *round) presentations() []providertest.Presentation {
	r.t.Helper()
	ledger, err := r.Sim.Ledger()
	if err != nil {
		r.t.Fatal(err)
	}
	return ledger.Presentations(providertest.Filter{})
}

// oddest is the simulator's oddest subject, without the one character that no
// subject may hold here: parsers put it in place of bytes that they cannot read.
var oddest = strings.ReplaceAll(providertest.OddSub, "\ufffd", "!")

// A subject of 255 characters, hardly one of them a letter, is a login like any
// other: linked, recognised, refreshed.
func TestTheOddestSubjectIsALoginLikeAnyOther(t *testing.T) {
	s := newStack(t, map[string]consenting{"op": consentProviders["op"], "plain": consentProviders["plain"]})
	for _, provider := range []string{"op", "plain"} {
		t.Run(provider, func(t *testing.T) {
			r := &round{stack: s, t: t, user: "an odd user \u202e", address: events.Address{Tenant: "default", Provider: provider}}
			r.consent(oddest, nil)
			if got := r.told(r.address, r.send()); got.name != events.NameLinkCreated {
				t.Fatalf("told %+v, want %s", got, events.NameLinkCreated)
			}
			r.link.Address = r.address
			r.consent(oddest, nil)
			if got := r.told(r.address, r.send()); got.name != rotated || got.Comparison != string(events.ComparisonSame) {
				t.Errorf("told %+v, want %s of the same login", got, rotated)
			}
			r.refreshes(r.address)
			if is := link(t, s.Cell, r.address); is.Generation != 3 || is.Consent != 2 || is.Status != links.Active {
				t.Errorf("generation %d, consent %d, %s", is.Generation, is.Consent, is.Status)
			}
		})
	}
}

// Accounts that are not known this time are those known so far, and nothing is
// gained or lost; a customer that is not known is neither the same nor another.
func TestWhatIsNotKnownIsNotLost(t *testing.T) {
	s := newStack(t, map[string]consenting{"op": consentProviders["op"]})
	r := s.standing(t, "op")
	r.consent(r.link.Sub, nil, providertest.WithAccounts("a", "b"), providertest.WithCustomer("c"))
	if got := r.told(r.address, r.send()); !slices.Equal(got.AccountsGained, []string{"a", "b"}) {
		t.Fatalf("told %+v, want the accounts a and b gained", got)
	}
	s.Sim.Script("op", accounts(1, providertest.Fault{Kind: providertest.Garbage})...)
	r.consent(r.link.Sub, nil)
	got := r.told(r.address, r.send())
	if got.AccountsUnknown != events.AccountsMalformed || len(got.AccountsGained)+len(got.AccountsLost) > 0 {
		t.Errorf("told %+v, want accounts unknown and none gained or lost", got)
	}
	if is := link(t, s.Cell, r.address); !slices.Equal(is.Accounts, []string{"a", "b"}) {
		t.Errorf("the record's accounts are %q, want those known so far", is.Accounts)
	}
	s.Sim.Script("op", customer(providertest.Fault{Kind: providertest.Status500})...)
	r.consent("another-"+r.link.Sub, nil, providertest.WithCustomer("c"))
	sent := r.send()
	if got := r.told(r.address, sent); got.name != events.NameLinkReplaced || got.SameCustomer != string(events.CustomerUnknown) {
		t.Errorf("told %+v, want %s of an unknown customer", got, events.NameLinkReplaced)
	}
}

// Keys that are away delay a consent: the link serves what it has, nothing is
// presented again, and the consent is applied when they are back. One that has
// waited for too long fails, and its answer is kept, sealed.
func TestKeysAwayDelayAConsent(t *testing.T) {
	s := newStack(t, map[string]consenting{"op": consentProviders["op"]})
	s.Sim.JWKSDown(true)
	late, lost := s.begin(t, "op", nil), s.begin(t, "op", nil)
	var inputs []sent
	var before []links.Link
	for _, r := range []*round{late, lost} {
		was := link(t, s.Cell, r.address)
		before, inputs = append(before, was), append(inputs, r.send())
		testenv.Eventually(t, limit, "the consent is put off", func() bool {
			is := link(t, s.Cell, r.address)
			return is.Exchange != nil && !is.Exchange.Again.IsZero()
		})
		if is := link(t, s.Cell, r.address); is.Fingerprint != was.Fingerprint || is.Status != links.Active {
			t.Errorf("meanwhile the link is %s and serves another token", is.Status)
		}
	}
	f, err := s.flows.Get(t.Context(), lost.key)
	if err != nil {
		t.Fatal(err)
	}
	f.Flow.Order = f.Flow.Order.Add(-2 * time.Hour)
	if _, err := s.flows.Update(t.Context(), f.Flow, f.Revision); err != nil {
		t.Fatal(err)
	}
	if got := lost.told(lost.address, inputs[1]); got.name != failed || got.Reason != events.ConsentUnverifiable {
		t.Errorf("told %+v, want %s %s", got, failed, events.ConsentUnverifiable)
	}
	lost.serves(before[1], 0)
	if f := lost.flow(); f.Status != consents.Failed || len(f.Answer) == 0 {
		t.Errorf("the flow is %s and keeps %d bytes of the answer", f.Status, len(f.Answer))
	}
	s.Sim.JWKSDown(false)
	if got := late.told(late.address, inputs[0]); got.name != rotated {
		t.Errorf("told %+v, want %s", got, rotated)
	}
	late.serves(before[0], 1)
	for _, r := range []*round{late, lost} {
		if n := r.presented(r.data["code"]); n != 1 {
			t.Errorf("%d presentations of the code, want 1", n)
		}
		r.refreshes(r.address)
	}
}
