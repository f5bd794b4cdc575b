package judge

import (
	"fmt"
	"strings"
)

// Markdown is the report for docs/torture.md, beside that of the baseline: the same
// schedule against services that have a lock and no intent.
func (r Report) Markdown(baseline Report) string {
	var out strings.Builder
	out.WriteString(preface)
	fmt.Fprintf(&out, "Seed %d, commit %s, %s. %.0f s of load and faults; the baseline %.0f s of the same schedule.\n\n",
		r.Seed, r.Commit, r.Machine, r.Seconds, baseline.Seconds)
	out.WriteString("| | Regrant | lock only |\n|---|---|---|\n")
	beside := map[string]string{}
	for _, l := range baseline.lines() {
		beside[l.what] = l.figure
	}
	for _, l := range r.lines()[1:] {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", l.what, l.figure, beside[l.what])
	}
	out.WriteString("\n## Faults\n\n| kind | count | refreshes beneath | worst recovery |\n|---|---|---|---|\n")
	for _, f := range r.Faults {
		fmt.Fprintf(&out, "| %s | %d | %d | %.1f s |\n", f.Kind, f.Count, f.Met, f.Worst)
	}
	r.writeBreaches(&out, "Promises that Regrant broke")
	baseline.writeBreaches(&out, "What happened to the baseline")
	out.WriteString(epilogue)
	return out.String()
}

func (r Report) writeBreaches(out *strings.Builder, title string) {
	if len(r.Breaches) == 0 {
		fmt.Fprintf(out, "\n## %s\n\nNone.\n", title)
		return
	}
	by := map[string]int{}
	for _, b := range r.Breaches {
		by[b.Rule]++
	}
	fmt.Fprintf(out, "\n## %s\n\n%s. Some of them:\n\n", title, counts(by))
	told := map[string]int{}
	for _, b := range r.Breaches {
		if told[b.Rule]++; told[b.Rule] <= 3 {
			fmt.Fprintf(out, "- %s: %s\n", b.Rule, b.What)
		}
	}
}

const preface = `# Torture

Eight workers, a nats-server, a Redis and a provider run as processes, with a proxy between each pair, while a schedule
drawn from a seed kills, stops, cuts and misleads them. ` + "`make torture FOR=30m SEED=n`" + ` repeats it; ` + "`make torture-short`" + ` is two
minutes of it. Everything below was written by the run.

`

const epilogue = `
## How to read it

An *expiry* is one refresh token of a provider that rotates: one (link, consent, generation). Presentations that the
provider turned away unseen, by 429 or by refusing the client, are apart: they may be repeated under every rule. Under
*safe* one of the providers never replaces a refresh token: all of a link's expiries present the same, and *max* is the
number of them.

A token set is *unknowable* where the provider issued it and its answer was never read: the worker was killed, stopped or
cut off in between. Nobody can tell that from a request that was lost. It is counted as kept only where its link was
flagged afterwards; without a fault on that worker's way at that time it counts as lost.

*Report to answer* is from the first report of a generation to the event that announces the next one, or says what is
wrong. *Recovery* counts from the end of the last fault on NATS, Redis or the provider, or on a worker that presented for
that link meanwhile.

## What the judge reads, and what it does not see

It reads the provider's ledger, which is on disk before the provider acts and before it answers; the records, opened with
the cell's keys; the streams of inputs, outputs, dead letters and timers; the consumers' backlogs; and the list of faults.
It asks no worker and reads no log. It does not see records between their writes: what a link was meanwhile, only its
events tell. It cannot see whether an answer was read, only whether something stood in its way. Power loss is not among
the faults: a killed process leaves the page cache behind. One machine's clock stamps all.
`
