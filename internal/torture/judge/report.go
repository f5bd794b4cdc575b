package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/regrant/regrant/providers/providertest"
)

// Report is what was found. It holds no secret: tokens stand in it as families
// and serials. Its JSON is stable: fields are added, not renamed.
type Report struct {
	Seed    uint64  `json:"seed"`
	Commit  string  `json:"commit"`
	Machine string  `json:"machine"`
	Seconds float64 `json:"seconds"`
	// LockOnly: the fleet had nothing to flag a link with, and no recovery to measure.
	LockOnly bool `json:"lock_only,omitzero"`
	// Faults by kind.
	Faults []FaultFigures `json:"faults"`
	// Inputs and Outputs by name; broken inputs are counted as "poison".
	Inputs      map[string]int `json:"inputs"`
	Confirmed   int            `json:"confirmed"`
	Outputs     map[string]int `json:"outputs"`
	DeadLetters map[string]int `json:"dead_letters"`
	// Links by the status in which they ended.
	Links map[string]int `json:"links"`
	// Presentations of refresh tokens by replay rule.
	Presentations []RuleFigures `json:"presentations"`
	// Revoked are the families that the provider revoked because of us.
	Revoked int `json:"revoked"`
	// Unknowable are the token sets whose answer was never read, all flagged; Lost
	// those that nothing excuses.
	Unknowable int `json:"unknowable"`
	Lost       int `json:"lost"`
	// EventsLost are the confirmed inputs that came to nothing.
	EventsLost int `json:"events_lost"`
	// Recovery counts from the end of the last fault that stood in the way, Whole from
	// the report.
	Recovery Times    `json:"recovery"`
	Whole    Times    `json:"report_to_answer"`
	Losses   []Loss   `json:"losses,omitzero"`
	Breaches []Breach `json:"breaches"`
}

// FaultFigures is one kind of fault.
type FaultFigures struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	// Met is how many refreshes were under way beneath one; Worst is the longest that
	// any of them took to its answer from when it was healed, in seconds.
	Met   int     `json:"met"`
	Worst float64 `json:"worst_recovery_seconds"`
}

// RuleFigures is how often one credential was presented. A credential is one
// (link, consent, generation) where its provider rotates.
type RuleFigures struct {
	Rule          Rule    `json:"rule"`
	Credentials   int     `json:"credentials"`
	Presentations int     `json:"presentations"`
	Mean          float64 `json:"mean"`
	Max           int     `json:"max"`
	// TurnedAway are those that the provider refused to look at; they are not in Max.
	TurnedAway int `json:"turned_away"`
}

// Times are quantiles in seconds.
type Times struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Worst float64 `json:"worst"`
}

// Breach is a promise that was not kept.
type Breach struct {
	// Rule is a stable word or two.
	Rule string `json:"rule"`
	// What says where, for people.
	What string `json:"what"`
}

// Failed lists the breaches, one line each; empty: every promise was kept.
func (r Report) Failed() []string {
	var all []string
	for _, b := range r.Breaches {
		all = append(all, b.Rule+": "+b.What)
	}
	return all
}

// rules of a fleet that has records and flags, and of one that has neither.
var (
	rules    = []func(*History) []Breach{presented, revoked, announced, owners, lost, deadActive, answered, settled, recovered}
	lockOnly = []func(*History) []Breach{presented, revoked, unheard, lost, deadActive, answered}
)

func (h *History) report() Report {
	r := Report{
		Seed: h.Seed, Commit: h.Commit, Machine: h.Machine, Seconds: h.duration().Seconds(), LockOnly: h.LockOnly,
		Confirmed: len(h.Inputs), Inputs: map[string]int{}, Outputs: map[string]int{}, DeadLetters: map[string]int{}, Links: map[string]int{},
		Presentations: h.perRule(), Revoked: len(revoked(h)), Losses: losses(h),
	}
	judged := rules
	if h.LockOnly {
		judged = lockOnly
	}
	for _, rule := range judged {
		r.Breaches = append(r.Breaches, rule(h)...)
	}
	slices.SortStableFunc(r.Breaches, func(a, b Breach) int { return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.What, b.What)) })
	r.Lost, r.EventsLost = len(lost(h)), len(answered(h))
	r.Unknowable = len(r.Losses) - r.Lost
	h.count(&r)
	h.time(&r)
	return r
}

func (h *History) count(r *Report) {
	for _, in := range h.Inputs {
		name := string(in.Name)
		if in.Broken {
			name = "poison"
		}
		r.Inputs[name]++
	}
	for _, o := range h.Outputs {
		r.Outputs[string(o.Name)]++
	}
	for _, reason := range h.Letters {
		r.DeadLetters[reason]++
	}
	for _, l := range h.Records {
		r.Links[string(l.Status)]++
	}
}

// time enters the recoveries, and the faults by kind.
func (h *History) time(r *Report) {
	all := spans(h)
	r.Recovery, r.Whole = times(all, Span.Recovery), times(all, Span.Whole)
	of := map[string]*FaultFigures{}
	for _, f := range h.Faults {
		if of[f.Kind] == nil {
			of[f.Kind] = &FaultFigures{Kind: f.Kind}
		}
		of[f.Kind].Count++
	}
	for _, s := range all {
		for _, kind := range s.Kinds {
			of[kind].Met++
			of[kind].Worst = max(of[kind].Worst, s.Recovery().Seconds())
		}
	}
	for _, f := range of {
		r.Faults = append(r.Faults, *f)
	}
	slices.SortFunc(r.Faults, func(a, b FaultFigures) int { return cmp.Compare(a.Kind, b.Kind) })
}

func times(spans []Span, of func(Span) time.Duration) Times {
	all := make([]time.Duration, len(spans))
	for i, s := range spans {
		all[i] = of(s)
	}
	slices.Sort(all)
	return Times{len(all), quantile(all, 0.5).Seconds(), quantile(all, 0.99).Seconds(), quantile(all, 1).Seconds()}
}

// perRule counts how often each refresh token was presented and looked at.
func (h *History) perRule() []RuleFigures {
	of, per := map[Rule]*RuleFigures{}, map[providertest.TokenKey]int{}
	for _, p := range h.Presentations {
		rule, known := h.Rules[p.Provider]
		if !known || p.Kind != providertest.KindRefresh || p.Family == "" {
			continue
		}
		if of[rule] == nil {
			of[rule] = &RuleFigures{Rule: rule}
		}
		f := of[rule]
		if turnedAway(p) {
			f.TurnedAway++
			continue
		}
		key := providertest.TokenKey{Family: p.Family, Serial: p.Serial}
		if per[key]++; per[key] == 1 {
			f.Credentials++
		}
		f.Presentations++
		f.Max = max(f.Max, per[key])
	}
	var all []RuleFigures
	for _, f := range of {
		f.Mean = float64(f.Presentations) / float64(max(1, f.Credentials))
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b RuleFigures) int { return cmp.Compare(a.Rule, b.Rule) })
	return all
}
