package judge

// Report is what was found. It holds no secret: tokens stand in it as families
// and serials.
type Report struct {
	Seed     uint64   `json:"seed"`
	Breaches []Breach `json:"breaches"`
}

// Breach is a promise that was not kept.
type Breach struct {
	// Rule is a stable word.
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

// Text is the report for a terminal.
func (r Report) Text() string { return "" }

// Markdown is the report for docs/torture.md, beside that of the baseline.
func (r Report) Markdown(baseline Report) string { return "" }
