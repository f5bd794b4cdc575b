package demo

import "fmt"

// Report is what the demo measured. Times are in milliseconds unless the name
// says otherwise.
type Report struct {
	Reports    int     `json:"reports"`
	Links      int     `json:"links"`
	Workers    int     `json:"workers"`
	Services   int     `json:"services"`
	AnswerTime float64 `json:"answer_time_ms"`
	Seconds    float64 `json:"seconds"`

	Regrant []Figures `json:"regrant"`
	Total   Figures   `json:"total"`
	// Pending is how many reports were never settled, DeadLetters how many were given up.
	Pending     int `json:"pending"`
	DeadLetters int `json:"dead_letters"`

	Naive      []NaiveFigures `json:"naive"`
	NaiveTotal NaiveFigures   `json:"naive_total"`

	// Checks are the guarantees, and whether they held.
	Checks []Check `json:"checks"`
	OK     bool    `json:"ok"`
}

// Figures are those of one provider with Regrant in front of it.
type Figures struct {
	Provider string `json:"provider"`
	Reports  int    `json:"reports"`
	// Expiries is how many bearers died.
	Expiries int `json:"expiries"`
	// Refreshes is how many new generations were saved.
	Refreshes int `json:"refreshes"`
	// Presentations is how often the provider's ledger says that it was asked,
	// MostPerToken how often with the same token.
	Presentations int `json:"presentations"`
	MostPerToken  int `json:"most_per_token"`
	// Rotated is how many token-rotated events are stored.
	Rotated int `json:"rotated_events"`
	// Revoked is how many families the provider revoked because a used token came back.
	Revoked int `json:"families_revoked"`
	// From the first report to the stored token-rotated, the provider's answer time included.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// NaiveFigures are those of one provider whose clients refresh for themselves.
type NaiveFigures struct {
	Provider      string `json:"provider"`
	Reports       int    `json:"reports"`
	Expiries      int    `json:"expiries"`
	Refreshes     int    `json:"refreshes"`
	Presentations int    `json:"presentations"`
	Revoked       int    `json:"families_revoked"`
	// LoggedOut is how many users must log in again.
	LoggedOut int `json:"users_logged_out"`
}

// Check is one guarantee.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Is says what was found, in numbers.
	Is string `json:"is"`
}

// Broken lists the guarantees that did not hold.
func (r Report) Broken() []Check {
	var broken []Check
	for _, c := range r.Checks {
		if !c.OK {
			broken = append(broken, c)
		}
	}
	return broken
}

// judge adds up and compares. Each provider is compared by itself: too many at
// one must not make up for too few at another.
func (r *Report) judge() {
	most := r.Total.MostPerToken
	r.NaiveTotal = naiveTotal(r.Naive)
	r.Checks = []Check{
		r.check("presentations = distinct expiries", func(f Figures) int { return f.Presentations }),
		{Name: "no token presented twice", OK: most <= 1, Is: fmt.Sprintf("%d at most", most)},
		r.check("refreshes = distinct expiries", func(f Figures) int { return f.Refreshes }),
		r.check("rotated events = distinct expiries", func(f Figures) int { return f.Rotated }),
		{Name: "families revoked = 0", OK: r.Total.Revoked == 0, Is: fmt.Sprint(r.Total.Revoked)},
		{Name: "nothing pending, no dead letters", OK: r.Pending == 0 && r.DeadLetters == 0, Is: fmt.Sprintf("%d and %d", r.Pending, r.DeadLetters)},
	}
	r.OK = len(r.Broken()) == 0
}

// check compares a figure with the number of expiries.
func (r *Report) check(name string, figure func(Figures) int) Check {
	c := Check{Name: name, OK: true, Is: fmt.Sprintf("%d of %d", figure(r.Total), r.Total.Expiries)}
	for _, f := range r.Regrant {
		if figure(f) != f.Expiries {
			c.OK = false
			c.Is += fmt.Sprintf(", at %s %d of %d", f.Provider, figure(f), f.Expiries)
		}
	}
	return c
}

func total(of []Figures) Figures {
	t := Figures{Provider: "all"}
	for _, f := range of {
		t.Reports += f.Reports
		t.Expiries += f.Expiries
		t.Refreshes += f.Refreshes
		t.Presentations += f.Presentations
		t.MostPerToken = max(t.MostPerToken, f.MostPerToken)
		t.Rotated += f.Rotated
		t.Revoked += f.Revoked
	}
	return t
}

func naiveTotal(of []NaiveFigures) NaiveFigures {
	t := NaiveFigures{Provider: "all"}
	for _, f := range of {
		t.Reports += f.Reports
		t.Expiries += f.Expiries
		t.Refreshes += f.Refreshes
		t.Presentations += f.Presentations
		t.Revoked += f.Revoked
		t.LoggedOut += f.LoggedOut
	}
	return t
}
