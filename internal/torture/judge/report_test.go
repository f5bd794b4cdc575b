package judge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/regrant/regrant/providers/providertest"
)

// broken is what a fleet without an intent does: it presents again.
func broken() *History {
	h := good()
	again := refresh(4, "h", 1, 21)
	again.Outcome, again.Issued, again.Bearer = providertest.ReuseRevoked, "", ""
	h.Presentations = append(h.Presentations, again)
	h.LockOnly = true
	return h
}

func TestAReportSaysWhatWasFound(t *testing.T) {
	t.Parallel()
	h := good()
	h.Seed, h.Faults = 42, []Fault{{"worker-kill", "worker-1", at(20), at(20.05)}}
	r, baseline := h.report(), broken().report()
	if len(r.Failed()) != 0 || len(baseline.Failed()) != 2 {
		t.Fatalf("found %v and %v", r.Failed(), baseline.Failed())
	}
	if f := r.Presentations[0]; f.Mean != 1 || f.Max != 1 || f.Credentials != 2 {
		t.Errorf("presentations %+v", f)
	}
	for _, want := range []string{"seed 42", "worker-kill", "max 1, of 2 credentials", "families revoked by us               0"} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("the text lacks %q:\n%s", want, r.Text())
		}
	}
	for _, want := range []string{"| families revoked by us | 0 | 1 |", "| worker-kill | 1 | 1 |", "presented twice: refresh_token of family h", "max 2, of 2 credentials"} {
		if !strings.Contains(r.Markdown(baseline), want) {
			t.Errorf("the page lacks %q:\n%s", want, r.Markdown(baseline))
		}
	}
	if !strings.Contains(baseline.Text(), "BROKEN  family revoked") {
		t.Errorf("the text hides what broke:\n%s", baseline.Text())
	}
}

// Who reads the JSON by program finds it again.
func TestAReportSurvivesItsJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(broken().report())
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if again.Text() != broken().report().Text() {
		t.Errorf("reads differently:\n%s\n%s", again.Text(), broken().report().Text())
	}
	for _, secret := range []string{"rt-h", "at-h", "code-h"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the report names the credential %s", secret)
		}
	}
}
