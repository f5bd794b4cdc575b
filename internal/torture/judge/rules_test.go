package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// Each row plants what must be found, and what must not be taken for it.
func TestABrokenPromiseIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		plant func(*History)
		want  []string // rules that are broken
	}{
		{"nothing", func(*History) {}, nil},
		{"a forbidden token twice", func(h *History) {
			again := refresh(4, "h", 1, 21)
			again.Outcome, again.Issued, again.Bearer = providertest.Refused, "", ""
			h.Presentations = append(h.Presentations, again)
		}, []string{rulePresented}},
		{"a token again that was turned away", func(h *History) {
			h.Presentations[2].N, h.Presentations[2].At = 4, at(20.05)
			away := refresh(3, "h", 1, 20)
			away.Outcome, away.Fault, away.Issued, away.Bearer = providertest.Unprocessed, "before 429", "", ""
			h.Presentations = slices.Insert(h.Presentations, 2, away)
		}, nil},
		{"a token again after 503", func(h *History) {
			away := refresh(3, "h", 1, 20)
			away.Outcome, away.Fault, away.Issued, away.Bearer = providertest.Unprocessed, "before 500", "", ""
			h.Presentations[2].N = 4
			h.Presentations = slices.Insert(h.Presentations, 2, away)
		}, []string{rulePresented}},
		{"a safe token twice", func(h *History) {
			h.Rules["op"] = Safe
			h.Presentations = append(h.Presentations, refresh(4, "h", 1, 21))
		}, nil},
		{"a code twice, at a safe provider", func(h *History) {
			h.Rules["op"] = Safe
			again := h.Presentations[1]
			again.N, again.Outcome, again.Issued = 4, providertest.Dead, ""
			h.Presentations = append(h.Presentations, again)
		}, []string{rulePresented}},
		{"a family revoked", func(h *History) {
			h.Rules["op"] = Grace
			again := refresh(4, "h", 1, 21)
			again.Outcome, again.Issued, again.Bearer = providertest.ReuseRevoked, "", ""
			h.Presentations = append(h.Presentations, again)
		}, []string{ruleRevoked}},
		{"a generation not announced", func(h *History) {
			h.Outputs = append(h.Outputs[:4], h.Outputs[5])
		}, []string{ruleAnnounced, ruleAnnounced, ruleSettled}},
		{"an event too many", func(h *History) {
			h.on(alpha, func(r *Record) { r.Events, r.Generation, r.Outbox = 3, 3, nil })
		}, []string{ruleAnnounced, ruleAnnounced, ruleInput}},
		{"an event of no record", func(h *History) { delete(h.Records, beta); h.Letters[5] = "unknown_link" }, []string{ruleAnnounced}},
		{"an event stored twice", func(h *History) {
			h.Outputs = append(h.Outputs, output(alpha, 4, events.NameTokenRotated, 4, events.CauseRefresh, 50))
		}, []string{ruleAnnounced}},
		{"an event stored again beyond the window", func(h *History) {
			h.Outputs = append(h.Outputs, output(alpha, 4, events.NameTokenRotated, 4, events.CauseRefresh, 141))
		}, nil},
		{"events out of order", func(h *History) {
			h.Outputs[2], h.Outputs[3] = h.Outputs[3], h.Outputs[2]
		}, []string{ruleBackwards, ruleBackwards, ruleBackwards, ruleLost}},
		{"a consent that goes back", func(h *History) { h.Outputs[3].Consent = 2 }, []string{ruleBackwards}},
		{"two live links of a login", func(h *History) {
			h.on(beta, func(r *Record) { r.Live = true })
		}, []string{ruleOwners}},
		{"an answer lost to a kill, and flagged", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-1", at(20.5), at(23)}}
		}, nil},
		{"an answer lost to a kill behind a delay", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-1", at(29), at(31)}, {"delay", "worker-1/provider", at(19), at(28)}}
		}, nil},
		{"an answer to a request that was cut before a stopped provider read it", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"cut", "worker-1/provider", at(16), at(16.1)}, {"provider-pause", "provider", at(15), at(19.9)}}
		}, nil},
		{"an answer to a request that nothing held back", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"cut", "worker-1/provider", at(16), at(16.1)}, {"provider-pause", "provider", at(15), at(17.9)}}
		}, []string{ruleLost}},
		{"an answer to a request that a partition delivered when it was over", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"partition", "worker-1/provider", at(15), at(19.9)}}
		}, nil},
		{"an answer whose event is stored after the next consent began", func(h *History) {
			h.Presentations = append(h.Presentations, Presentation{N: 4, At: at(20.05), Settled: at(20.06), Provider: "op", Family: "k",
				Kind: providertest.KindCode, Token: "code-k", Outcome: providertest.OK, Issued: token("k", 1), Bearer: bearer("k", 1)})
			h.Inputs = append(h.Inputs, Input{Address: alpha, Name: events.NameReconsentCompleted, Sequence: 7, StoredAt: at(20), Flow: "next", Code: "code-k"})
			h.Flows["next"] = Flow{Address: alpha, Final: true, Status: "applied"}
			h.Outputs = append(h.Outputs, output(alpha, 5, events.NameTokenRotated, 5, events.CauseReconsent, 21))
			h.on(alpha, func(r *Record) { r.Generation, r.Events, r.Refresh, r.Bearer = 5, 5, token("k", 1), bearer("k", 1) })
		}, nil},
		{"an answer lost to a delay", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"delay", "worker-1/provider", at(19), at(28)}}
		}, []string{ruleLost}},
		{"an answer lost to another worker's kill", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-2", at(20), at(23)}}
		}, []string{ruleLost}},
		{"an answer lost to a kill that came later", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-1", at(23), at(25)}}
		}, []string{ruleLost}},
		{"an answer lost to the provider's own doing", func(h *History) {
			h.loses()
			h.Presentations[2].Fault = "after truncate"
		}, nil},
		{"an answer lost, and nobody told", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-1", at(20), at(23)}}
			h.on(alpha, func(r *Record) { r.Status = links.Active })
		}, []string{ruleLost, ruleDead, ruleInput}},
		{"an answer kept aside", func(h *History) {
			h.loses()
			h.on(alpha, func(r *Record) { r.Kept = []string{token("h", 2)} })
		}, nil},
		{"a consent's answer lost", func(h *History) {
			h.Presentations = h.Presentations[:2]
			h.Flows["flow"] = Flow{Address: alpha, Final: true, Status: "failed", Reason: events.ConsentOutcomeUnknown}
			h.on(alpha, func(r *Record) { r.Refresh, r.Bearer = token("f", 2), bearer("f", 2) })
		}, []string{ruleLost}},
		{"a consent that was given to another link, which was logged out", func(h *History) {
			h.Presentations = append(h.Presentations, Presentation{N: 4, At: at(25), Settled: at(25), Provider: "op", Family: "k",
				Kind: providertest.KindCode, Token: "code-k", Outcome: providertest.OK, Issued: token("k", 1)}, refresh(5, "k", 1, 29))
			h.Inputs = append(h.Inputs, Input{Address: alpha, Name: events.NameReconsentCompleted, Sequence: 7, StoredAt: at(25), Flow: "other", Code: "code-k"})
			h.Flows["other"] = Flow{Address: beta, Final: true, Status: "applied"}
		}, nil},
		{"tokens that do not open", func(h *History) {
			h.on(alpha, func(r *Record) { r.Sealed = "its tokens do not open" })
		}, []string{ruleDead}},
		{"a report without an effect", func(h *History) {
			h.Inputs = append(h.Inputs, report(alpha, 7, 4, 40))
		}, []string{ruleInput}},
		{"a report by fingerprint without an effect", func(h *History) {
			in := report(alpha, 7, 0, 40)
			in.Fingerprint = bearer("h", 2)
			h.Inputs = append(h.Inputs, in)
		}, []string{ruleInput}},
		{"a report of a clock", func(h *History) {
			in := report(alpha, 7, 4, 40)
			in.Reason = events.ReasonExpiring
			h.Inputs = append(h.Inputs, in)
		}, nil},
		{"a report of a generation to come", func(h *History) {
			h.Inputs = append(h.Inputs, report(alpha, 7, 9, 40))
		}, []string{ruleInput}},
		{"poison without a letter", func(h *History) { delete(h.Letters, 6) }, []string{ruleInput}},
		{"a report of nobody, stored twice", func(h *History) {
			nobody := events.Address{Tenant: "default", Provider: "op", Link: "nobody"}
			h.Inputs = append(h.Inputs, report(nobody, 7, 1, 40), report(nobody, 8, 1, 40.01), report(nobody, 9, 2, 41))
			h.Letters[7] = "unknown_link"
		}, []string{ruleInput}},
		{"a consent that never ended", func(h *History) {
			h.Flows["flow"] = Flow{Address: alpha, Status: "presented"}
		}, []string{ruleInput}},
		{"a logout without an effect", func(h *History) {
			h.on(beta, func(r *Record) { r.Status, r.Events = links.Active, 1 })
			h.Outputs = h.Outputs[:5]
		}, []string{ruleInput}},
		{"a message nobody settled", func(h *History) { h.Backlogs[0].Unacked = 1 }, []string{ruleSettled}},
		{"a link that refreshes still", func(h *History) {
			h.on(alpha, func(r *Record) { r.Status = links.Refreshing })
		}, []string{ruleSettled}},
		{"an exchange left open", func(h *History) {
			h.on(alpha, func(r *Record) { r.Exchanging = true })
		}, []string{ruleSettled}},
		{"timers that fired when nobody worked any more", func(h *History) {
			h.Dismissed = h.Records[alpha].Alarm.Add(-time.Second)
			delete(h.Timers, alpha)
			h.Backlogs = append(h.Backlogs, Backlog{Consumer: "due-" + alpha.Provider, Pending: 1})
		}, nil},
		{"more of them than there were timers", func(h *History) {
			h.Dismissed = h.Records[alpha].Alarm.Add(-time.Second)
			h.Backlogs = append(h.Backlogs, Backlog{Consumer: "due-" + alpha.Provider, Pending: 2})
		}, []string{ruleSettled}},
		{"a timer that is not armed", func(h *History) { delete(h.Timers, alpha) }, []string{ruleSettled}},
		{"an older timer", func(h *History) { h.Timers[alpha] = 6 }, []string{ruleSettled}},
		{"a late recovery", func(h *History) {
			h.End = at(90)
			h.Presentations[2].At, h.Presentations[2].Settled, h.Outputs[4].StoredAt = at(81), at(81), at(81.1)
		}, []string{ruleRecovery}},
		{"an unknown outcome that waited for a 401", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-1", at(20), at(23)}}
			h.Inputs[3].Reason = events.ReasonExpiring
			h.Inputs = append(h.Inputs, report(alpha, 7, 3, 100))
			h.Outputs = append(h.Outputs, output(alpha, 4, events.NameConsentRequired, 3, "", 105))
			h.on(alpha, func(r *Record) { r.Status, r.Events = links.ConsentRequired, 4 })
		}, nil},
		{"an unknown outcome whose 401 nobody minded", func(h *History) {
			h.loses()
			h.Faults = []Fault{{"worker-kill", "worker-1", at(20), at(23)}}
			h.Outputs = append(h.Outputs, output(alpha, 4, events.NameConsentRequired, 3, "", 105))
			h.on(alpha, func(r *Record) { r.Status, r.Events = links.ConsentRequired, 4 })
		}, []string{ruleRecovery}},
		{"a late recovery behind an outage", func(h *History) {
			h.End = at(90)
			h.Presentations[2].At, h.Presentations[2].Settled, h.Outputs[4].StoredAt = at(81), at(81), at(81.1)
			h.Faults = []Fault{{"nats-kill", "nats", at(30), at(33)}}
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := good()
			test.plant(h)
			var got []string
			for _, b := range h.report().Breaches {
				got = append(got, b.Rule)
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("found %v, want %v: %v", got, test.want, h.report().Failed())
			}
		})
	}
}

func TestASavedGenerationThatNobodyHeardOfIsFound(t *testing.T) {
	t.Parallel()
	h := good()
	h.LockOnly = true
	if failed := h.report().Failed(); len(failed) > 0 {
		t.Fatalf("found %v", failed)
	}
	h.Outputs = append(h.Outputs[:4], h.Outputs[5])
	if b := h.report().Breaches; len(b) != 1 || b[0].Rule != ruleAnnounced {
		t.Errorf("found %v", b)
	}
}

func TestRecoveryCountsFromTheLastFaultInTheWay(t *testing.T) {
	t.Parallel()
	h := good()
	h.Faults = []Fault{
		{"worker-pause", "worker-1", at(19.95), at(20.05)}, // presented for A meanwhile
		{"worker-kill", "worker-2", at(19.95), at(20.09)},  // did not
	}
	r := h.report()
	if r.Recovery.Count != 2 || r.Recovery.Worst != 0.2 || r.Whole.Worst != 0.2 {
		t.Errorf("recovery %+v, whole %+v", r.Recovery, r.Whole)
	}
	var longest Span
	for _, s := range spans(h) {
		if s.Generation == 3 {
			longest = s
		}
	}
	if got := longest.Recovery(); got != 50*time.Millisecond {
		t.Errorf("recovered in %v after the pause", got)
	}
	if len(r.Faults) != 2 || r.Faults[1].Kind != "worker-pause" || r.Faults[1].Met != 1 || r.Faults[0].Met != 0 {
		t.Errorf("faults %+v", r.Faults)
	}
}
