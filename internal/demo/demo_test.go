package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/demo"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a demo of every system that takes a second or two. Its temporary
// files are in the test's own directory.
func small(t *testing.T) demo.Options {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	n := len(demo.Systems())
	return demo.Options{Reports: 8 * n, Links: 2 * n, Workers: 2, Providers: demo.Systems(), Log: testenv.Log(t)}
}

func TestDemoHoldsItsPromisesAtEverySystem(t *testing.T) {
	o := small(t)
	r, err := demo.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || len(r.Broken()) > 0 || len(r.Checks) == 0 {
		t.Fatalf("broken: %+v of %+v", r.Broken(), r.Checks)
	}
	if len(r.Regrant) != len(o.Providers) || len(r.Naive) != len(o.Providers) {
		t.Fatalf("%d and %d rows for %d systems", len(r.Regrant), len(r.Naive), len(o.Providers))
	}
	for _, f := range r.Regrant {
		is := []int{f.Reports, f.Expiries, f.Refreshes, f.Presentations, f.MostPerToken, f.Rotated, f.Revoked}
		if want := []int{8, 2, 2, 2, 1, 2, 0}; !slices.Equal(is, want) {
			t.Errorf("%s: %v, want %v", f.Provider, is, want)
		}
		if answer := float64(demo.AnswerTime.Milliseconds()); f.P50 < answer || f.P99 < f.P50 {
			t.Errorf("%s: p50 %v ms and p99 %v ms, with a provider that takes %v ms", f.Provider, f.P50, f.P99, answer)
		}
	}
	if r.Total.Reports != o.Reports || r.Total.Presentations != o.Links || r.Total.P99 < r.Total.P50 {
		t.Errorf("total %+v", r.Total)
	}
	nothingLeft(t)
}

// Were the other side any better than it is in the world, the contrast would be
// a fake; were it any worse, too. Four services hold each dead bearer here.
func TestNaiveSideIsWhatProvidersMakeOfIt(t *testing.T) {
	r, err := demo.Run(t.Context(), small(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]demo.NaiveFigures{
		"generic":      {Refreshes: 2, Revoked: 2, LoggedOut: 2},
		"sdk":          {Refreshes: 2, Revoked: 2, LoggedOut: 2},
		"wso2":         {Refreshes: 2, Revoked: 2, LoggedOut: 2},
		"nextidentity": {Refreshes: 2, Revoked: 2, LoggedOut: 2},
		"akoya":        {Refreshes: 2}, // refuses, and leaves the family alone
		"astra":        {Refreshes: 8}, // takes an old token again, at the price of everybody's bearer
	}
	for _, is := range r.Naive {
		w, ok := want[is.Provider]
		if !ok {
			t.Errorf("%s: a system that this test does not know", is.Provider)
			continue
		}
		w.Provider, w.Reports, w.Expiries, w.Presentations = is.Provider, 8, 2, 8
		if is != w {
			t.Errorf("got %+v, want %+v", is, w)
		}
	}
	if r.NaiveTotal.Revoked != 8 || r.NaiveTotal.LoggedOut != 8 {
		t.Errorf("total %+v", r.NaiveTotal)
	}
}

// An answer is lost after the provider consumed the token: under `forbidden` the
// link ends with its user, and the demo must not call that a success.
func TestLostAnswerIsReported(t *testing.T) {
	o := small(t)
	o.Providers, o.Links, o.Reports, o.LockTTL = []string{"generic"}, 3, 12, 2*time.Second
	o.Ready = func(sim *providertest.Server) {
		sim.Script("generic", providertest.Fault{When: providertest.After, Kind: providertest.Reset})
	}
	r, err := demo.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var broken []string
	for _, c := range r.Broken() {
		broken = append(broken, c.Name)
	}
	if want := "refreshes = distinct expiries; rotated events = distinct expiries"; r.OK || strings.Join(broken, "; ") != want {
		t.Errorf("ok %v, broken %q, want %q", r.OK, broken, want)
	}
	if r.Total.Presentations != 3 || r.Total.MostPerToken != 1 || r.Total.Revoked != 0 || r.Pending != 0 {
		t.Errorf("what a lost answer does not excuse: %+v, pending %d", r.Total, r.Pending)
	}
}

func TestInterruptedDemoLeavesNothing(t *testing.T) {
	o := small(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.Ready = func(*providertest.Server) { cancel() }
	if _, err := demo.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	nothingLeft(t)
}

func TestWrongOptionsSayWhatIsRight(t *testing.T) {
	for what, change := range map[string]func(*demo.Options){
		"akoya, astra, generic, nextidentity, sdk, wso2": func(o *demo.Options) { o.Providers = []string{"nobody"} },
		"one of akoya":                         func(o *demo.Options) { o.Providers = nil },
		"workers: 0":                           func(o *demo.Options) { o.Workers = 0 },
		"links: 5 are too few for 6 providers": func(o *demo.Options) { o.Links = 5 },
		"reports: 11 are too few for 12 links": func(o *demo.Options) { o.Reports = 11 },
	} {
		o := small(t)
		change(&o)
		if _, err := demo.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want one with %q", err, what)
		}
	}
	nothingLeft(t)
}

func TestReportForPeopleAndMachines(t *testing.T) {
	r := demo.Report{
		Reports: 40, Links: 2, Workers: 3, Services: 20, AnswerTime: 100,
		Regrant: []demo.Figures{{Provider: "generic", Reports: 40, Expiries: 2, Presentations: 2, P50: 120.4, P99: 130.6}},
		Naive:   []demo.NaiveFigures{{Provider: "generic", Presentations: 40, Revoked: 2, LoggedOut: 2}},
		Checks:  []demo.Check{{Name: "families revoked = 0", OK: true, Is: "0"}, {Name: "presentations = distinct expiries", Is: "3 of 2"}},
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"40 reports", "generic", "120", "131", "ok      families revoked = 0", "BROKEN  presentations = distinct expiries"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	body, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(body), `"families_revoked":2`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestLinesShowEachQuarterOnce(t *testing.T) {
	var text strings.Builder
	l := &demo.Lines{W: &text}
	l.Begin("links", 8)
	for _, done := range []int{1, 2, 3, 2, 8, 7} {
		l.Set(done)
	}
	l.End()
	l.Begin("none", 0)
	l.End()
	if want := "links: 2 of 8\nlinks: 8 of 8\n"; text.String() != want {
		t.Errorf("got %q, want %q", text.String(), want)
	}
}

// nothingLeft looks into the directory that the demo made its own in.
func nothingLeft(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "regrant-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
