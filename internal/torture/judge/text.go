package judge

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// shown is how many breaches the text lists; the JSON has them all.
const shown = 20

// Text is the report for a terminal.
func (r Report) Text() string {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, l := range r.lines() {
		fmt.Fprintf(w, "%s\t%s\n", l.what, l.figure)
	}
	_ = w.Flush() // into memory
	for _, line := range r.faultLines() {
		fmt.Fprintln(&out, line)
	}
	failed := r.Failed()
	for _, line := range failed[:min(len(failed), shown)] {
		fmt.Fprintln(&out, "BROKEN  "+line)
	}
	if len(failed) > shown {
		fmt.Fprintf(&out, "… and %d more\n", len(failed)-shown)
	}
	return out.String()
}

type line struct{ what, figure string }

// lines are the figures, in one order for every form of the report.
func (r Report) lines() []line {
	all := []line{
		{"run", fmt.Sprintf("%.0f s, seed %d, commit %s", r.Seconds, r.Seed, r.Commit)},
		{"faults", fmt.Sprintf("%d", r.faults())},
		{"inputs confirmed", fmt.Sprintf("%d (%s)", r.Confirmed, counts(r.Inputs))},
		{"outputs", counts(r.Outputs)},
		{"dead letters", counts(r.DeadLetters)},
		{"links at the end", counts(r.Links)},
	}
	for _, p := range r.Presentations {
		all = append(all, line{"presentations per expiry, " + string(p.Rule), fmt.Sprintf("mean %.4f, max %d, of %d credentials; %d more turned away", p.Mean, p.Max, p.Credentials, p.TurnedAway)})
	}
	all = append(all,
		line{"families revoked by us", fmt.Sprint(r.Revoked)},
		line{"tokens lost", fmt.Sprint(r.Lost)},
		line{"tokens unknowable, each flagged", fmt.Sprint(r.Unknowable)},
		line{"events lost", fmt.Sprint(r.EventsLost)},
		line{"report to answer", r.Whole.String()},
	)
	if !r.LockOnly {
		all = append(all, line{"recovery after faults", r.Recovery.String()})
	}
	return append(all, line{"promises broken", fmt.Sprint(len(r.Breaches))})
}

func (t Times) String() string {
	if t.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("worst %.1f s, p99 %.1f s, p50 %.2f s, of %d", t.Worst, t.P99, t.P50, t.Count)
}

func (r Report) faults() (n int) {
	for _, f := range r.Faults {
		n += f.Count
	}
	return n
}

func (r Report) faultLines() []string {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tcount\trefreshes beneath\tworst recovery")
	for _, f := range r.Faults {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f s\n", f.Kind, f.Count, f.Met, f.Worst)
	}
	_ = w.Flush() // into memory
	return strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
}

// counts prints a map of counts, the largest first by name.
func counts(of map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all = append(all, fmt.Sprintf("%s %d", name, of[name]))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
