package handlers_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// trail is what was told to the audit.
type trail struct {
	t   *testing.T
	all []audit.Entry
}

func (a *trail) Tell(e audit.Entry) {
	if _, err := e.Encode(); err != nil {
		a.t.Errorf("an entry that cannot be stored: %v", err)
	}
	a.all = append(a.all, e)
}

// ids are the ids under which an action was told.
func (a *trail) ids(action audit.Action) (ids []string) {
	for _, e := range a.all {
		if e.Action == action && !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// wants that exactly these actions were told, each under one id.
func (a *trail) wants(times map[audit.Action]int) {
	a.t.Helper()
	got := map[audit.Action]int{}
	for _, e := range a.all {
		got[e.Action]++
		if n := len(a.ids(e.Action)); n != 1 {
			a.t.Errorf("%s was told under %d ids", e.Action, n)
		}
	}
	if !maps.Equal(got, times) {
		a.t.Errorf("told: %v, want %v", got, times)
	}
}

// audited runs a test in a cell that keeps what is told.
func audited(t *testing.T, test func(c *cell, told *trail)) {
	t.Helper()
	inCell(t, func(c *cell) {
		told := &trail{t: t}
		c.audit = told
		test(c, told)
	})
}

func TestAConsentIsToldOnce(t *testing.T) {
	audited(t, func(c *cell, told *trail) {
		w := c.worker("w")
		w.take(c.begins("ann", "").as(c.op.login("one"))).end()
		told.wants(map[audit.Action]int{audit.ConsentBegun: 1, audit.ConsentPassed: 1})
		if passed := told.all[1]; passed.Actor != "worker:w" || passed.Outcome != string(consents.Applied) || passed.Details["flow"] == "" || passed.Cause == "" {
			t.Errorf("%+v", passed)
		}
		again := c.broker.messages[len(c.broker.messages)-1]
		w.take(c.again(again)).end() // a replay is not told of: nothing passes
		told.wants(map[audit.Action]int{audit.ConsentBegun: 1, audit.ConsentPassed: 1})
	})
}

// A worker dies between its effect and the word of it: whoever gets the message next
// tells it, and under the id that a dead one would have used.
func TestWhatADeadWorkerDidIsToldAfterwards(t *testing.T) {
	for name, point := range map[string]string{"before the flow ends": "flow_end:before", "the flow has ended": "flow_end:after"} {
		t.Run(name, func(t *testing.T) {
			audited(t, func(c *cell, told *trail) {
				w1, w2 := c.worker("w1"), c.worker("w2")
				m := c.begins("ann", "").as(c.op.login("one"))
				w1.take(m).until(point)
				w1.crash()
				c.rest(w2)
				if ids := told.ids(audit.ConsentPassed); len(ids) != 1 {
					t.Errorf("told under %v", ids)
				}
				if ids := told.ids(audit.Recovered); len(ids) != 1 {
					t.Errorf("recovered: told under %v", ids)
				}
			})
		})
	}
}

func TestARevocationIsToldOnce(t *testing.T) {
	audited(t, func(c *cell, told *trail) {
		w := c.worker("w")
		a := c.imports("ann", "A", c.op.login("one"))
		out := c.logsOut(a)
		w.take(out).end()
		told.wants(map[audit.Action]int{audit.Revoked: 1})
		if e := told.all[0]; e.Link != "A" || e.Generation != 1 || e.Fingerprint == "" || e.Outcome == "" {
			t.Errorf("%+v", e)
		}
		w.take(c.again(out)).end()
		w.take(c.logsOut(a)).end() // another one, of what is logged out
		told.wants(map[audit.Action]int{audit.Revoked: 1})
	})
}

func TestARevocationOfADeadWorkerIsTold(t *testing.T) {
	audited(t, func(c *cell, told *trail) {
		w1, w2 := c.worker("w1"), c.worker("w2")
		a := c.imports("ann", "A", c.op.login("one"))
		w1.take(c.logsOut(a)).until("judge:after")
		c.wantLinkOf(a, links.Revoked, 1, 1)
		w1.crash()
		told.wants(map[audit.Action]int{})
		c.rest(w2)
		told.wants(map[audit.Action]int{audit.Revoked: 1})
	})
}

func TestADecisionIsTold(t *testing.T) {
	for _, decision := range []events.Decision{events.DecisionApprove, events.DecisionReject} {
		t.Run(string(decision), func(t *testing.T) {
			holding(t, func(h waiting) {
				told := &trail{t: t}
				h.audit = told
				w1, w2 := h.worker("w3"), h.worker("w4")
				m := h.decides(h.a, h.hold.Consent, decision)
				w1.take(m).end()
				w2.take(h.again(m)).end() // without effect, and without a word
				if e := told.all[0]; e.Action != audit.Decided || e.Outcome != string(decision) || e.Details["consent"] == "" {
					t.Errorf("%+v", e)
				}
				if ids := told.ids(audit.Decided); len(ids) != 1 {
					t.Errorf("told under %v", ids)
				}
			})
		})
	}
}

// Wherever its worker dies, a decision that had an effect was told.
func TestADecisionOfADeadWorkerIsTold(t *testing.T) {
	for decision, points := range map[events.Decision][]string{
		events.DecisionReject:  {"flow_fail:before", "flow_fail:after", "flow_depart:before", "flow_depart:after"},
		events.DecisionApprove: {"flow_rule:before", "flow_rule:after", "flow_depart:after"},
	} {
		for _, point := range points {
			t.Run(string(decision)+" "+point, func(t *testing.T) {
				holding(t, func(h waiting) {
					told := &trail{t: t}
					h.audit = told
					w1 := h.worker("w3")
					w1.take(h.decides(h.a, h.hold.Consent, decision)).until(point)
					w1.crash()
					h.rest(h.worker("w4"))
					if ids := told.ids(audit.Decided); len(ids) != 1 {
						t.Errorf("told under %v", ids)
					}
					if h.record(h.a).Hold != nil {
						t.Error("the hold is not ended")
					}
				})
			})
		}
	}
}

func TestWhatTheAPIDoesIsTold(t *testing.T) {
	audited(t, func(c *cell, told *trail) {
		w := c.worker("w")
		a := c.imports("ann", "A", c.op.login("one"))
		if _, err := w.h.Token(context.Background(), a, api.Token{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.h.Token(context.Background(), at("none"), api.Token{}); err == nil {
			t.Fatal("a link that there is not is served")
		}
		in := api.Stage{Provider: "op", User: "ann", AccessToken: canary}
		if _, err := w.h.Stage(context.Background(), "default", in); err != nil {
			t.Fatal(err)
		}
		var what []string
		for _, e := range told.all {
			what = append(what, string(e.Action)+" "+e.Outcome)
			if text, err := json.Marshal(e); err != nil || slices.Contains([]string{e.ID, e.Fingerprint, e.Link}, canary) {
				t.Errorf("%s (%v)", text, err)
			}
		}
		if want := []string{"token-read served", "token-read not_found", "tokens-staged new_link"}; !slices.Equal(what, want) {
			t.Errorf("told: %q, want %q", what, want)
		}
	})
}
