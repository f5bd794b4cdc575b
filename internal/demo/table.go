package demo

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints the report for people.
func (r Report) Write(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%d reports of a 401 about %d links, %d services at once on each; the providers take %.0f ms to answer.\n",
		r.Reports, r.Links, min(r.Services, max(1, r.Reports/max(1, r.Links))), r.AnswerTime)
	fmt.Fprintf(&text, "\nWith Regrant, %d workers\n\n", r.Workers)
	r.writeRegrant(&text)
	fmt.Fprint(&text, "\nThe same storm, each service refreshing for itself, with a shared token store\n\n")
	r.writeNaive(&text)
	fmt.Fprintln(&text)
	r.writeVerdict(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

func (r Report) writeRegrant(w io.Writer) {
	rows := [][]any{{"provider", "reports", "distinct expiries", "refreshes", "presentations", "rotated events", "families revoked", "p50 ms", "p99 ms"}}
	for _, f := range withTotal(r.Regrant, r.Total) {
		rows = append(rows, []any{f.Provider, f.Reports, f.Expiries, f.Refreshes, f.Presentations, f.Rotated, f.Revoked, whole(f.P50), whole(f.P99)})
	}
	writeRows(w, rows)
}

func (r Report) writeNaive(w io.Writer) {
	rows := [][]any{{"provider", "401s", "distinct expiries", "refreshes", "presentations", "families revoked", "users to log in again"}}
	for _, f := range withTotal(r.Naive, r.NaiveTotal) {
		rows = append(rows, []any{f.Provider, f.Reports, f.Expiries, f.Refreshes, f.Presentations, f.Revoked, f.LoggedOut})
	}
	writeRows(w, rows)
}

func (r Report) writeVerdict(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", map[bool]string{true: "ok", false: "BROKEN"}[c.OK], c.Name, c.Is)
	}
	_ = t.Flush() // into memory
	fmt.Fprintf(w, "\nRegrant: %d presentations for %d expiries, families revoked = %d. Without: %d presentations, families revoked = %d, %d users to log in again. (%.1f s)\n",
		r.Total.Presentations, r.Total.Expiries, r.Total.Revoked, r.NaiveTotal.Presentations, r.NaiveTotal.Revoked, r.NaiveTotal.LoggedOut, r.Seconds)
}

// withTotal appends the total where it says more than the one row does.
func withTotal[T any](rows []T, total T) []T {
	if len(rows) < 2 {
		return rows
	}
	return append(rows[:len(rows):len(rows)], total)
}

// writeRows aligns numbers to the right, and so, as tabwriter has it, everything.
func writeRows(w io.Writer, rows [][]any) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		for _, cell := range row {
			fmt.Fprintf(t, "%v\t", cell)
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // into memory
}

func whole(ms float64) string { return fmt.Sprintf("%.0f", ms) }
