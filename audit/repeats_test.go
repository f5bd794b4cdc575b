package audit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
)

// told keeps what is told.
type told []audit.Entry

func (t *told) Tell(e audit.Entry) { *t = append(*t, e) }

// counts are the refusals that each entry stands for, "" for one.
func (t told) counts() (all []string) {
	for _, e := range t {
		all = append(all, e.Details["refusals"])
	}
	return all
}

var begun = time.Unix(1_700_000_000, 0)

func refusal(second int, link, outcome string) audit.Entry {
	return audit.Entry{
		ID: fmt.Sprint(link, outcome, second), At: begun.Add(time.Duration(second) * time.Second), Actor: "worker:w", Action: audit.TokenRead, Outcome: outcome,
	}.About(events.Address{Tenant: "default", Provider: "op", Link: link})
}

func TestAServiceThatAsksAgainAndAgainFillsNoAudit(t *testing.T) {
	got := &told{}
	r := audit.NewRepeats(got)
	for second := range 3601 {
		r.Tell(refusal(second, "L", "revoked"))
		if second%60 == 30 {
			r.Sweep(begun.Add(time.Duration(second) * time.Second))
		}
	}
	r.Flush()
	total := 1 // the first
	for _, e := range (*got)[1:] {
		var n int
		if _, err := fmt.Sscan(e.Details["refusals"], &n); err != nil || e.Details["since"] == "" {
			t.Fatalf("%+v", e)
		}
		if _, err := e.Encode(); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if len(*got) > 62 || total != 3601 || (*got)[0].Details != nil {
		t.Errorf("%d entries for %d refusals", len(*got), total)
	}
	ids := map[string]bool{}
	for _, e := range *got {
		if ids[e.ID] {
			t.Errorf("two entries of the id %s: the stream keeps one", e.ID)
		}
		ids[e.ID] = true
	}
}

func TestOnlyEqualRefusalsAreCountedTogether(t *testing.T) {
	got := &told{}
	r := audit.NewRepeats(got)
	for range 2 {
		r.Tell(refusal(0, "L", "revoked"))
		r.Tell(refusal(0, "L", "held"))
		r.Tell(refusal(0, "M", "revoked"))
		r.Tell(refusal(0, "L", audit.Served))
		r.Tell(audit.Entry{Action: audit.Revoked, Outcome: "here_only"})
	}
	if n := len(*got); n != 3+2+2 {
		t.Errorf("%d entries", n)
	}
	*got = nil
	r.Sweep(begun.Add(59 * time.Second))
	if len(*got) != 0 {
		t.Errorf("told too early: %v", *got)
	}
	r.Sweep(begun.Add(time.Minute))
	if len(*got) != 3 {
		t.Errorf("%d counts are told", len(*got))
	}
	*got = nil
	r.Sweep(begun.Add(2 * time.Minute)) // nothing was repeated
	r.Tell(refusal(121, "L", "revoked"))
	if len(*got) != 1 || (*got)[0].Details != nil {
		t.Errorf("forgotten refusals are the first again: %v", *got)
	}
}

// Who asks for links that there are not cannot make the memory grow, nor the audit.
func TestRefusalsOfManyLinksAreBounded(t *testing.T) {
	got := &told{}
	r := audit.NewRepeats(got)
	for i := range 100_000 {
		r.Tell(refusal(0, fmt.Sprint("L", i), "not_found"))
	}
	last := (*got)[len(*got)-1]
	if n := len(*got); n != 4097 || last.Link != "" || last.Provider != "" {
		t.Fatalf("%d entries, the last %+v", n, last)
	}
	*got = nil
	r.Flush()
	if !slices.Equal(got.counts(), []string{fmt.Sprint(100_000 - 4097)}) {
		t.Errorf("%v", got.counts())
	}
}
