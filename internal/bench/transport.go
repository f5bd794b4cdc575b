package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/regrant/regrant/internal/bench/report"
)

// transport is what a service pays for each request on a live token: the client's
// own benchmark, beside the least that any transport which sets a header must do.
func (b *bench) transport(ctx context.Context) ([]report.Line, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkTransport$", "-benchmem",
		"-count", strconv.Itoa(b.rounds), "github.com/regrant/regrant/client").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	with, err := measurements(string(out), "with")
	if err != nil {
		return nil, err
	}
	bare, err := measurements(string(out), "bare_clone")
	if err != nil {
		return nil, err
	}
	return []report.Line{
		{
			What: "client transport on a live token, above cloning the request's headers", Value: (report.Median(with.ns) - report.Median(bare.ns)) / 1000, Unit: "µs", Bar: 1, AtMost: true,
			Detail: fmt.Sprintf("%.0f ns in all, cloning %.0f ns", report.Median(with.ns), report.Median(bare.ns)),
		},
		{
			What: "its allocations beyond the request's", Value: report.Median(with.allocs) - report.Median(bare.allocs), Unit: "allocations", Bar: 0, AtMost: true,
			Detail: fmt.Sprintf("%.0f in all, cloning %.0f", report.Median(with.allocs), report.Median(bare.allocs)),
		},
	}, nil
}

// measured are the figures of one benchmark, a value for each time it ran.
type measured struct{ ns, allocs []float64 }

func measurements(text, name string) (m measured, err error) {
	line := regexp.MustCompile(`(?m)^BenchmarkTransport/` + name + `(?:-\d+)?\s+\d+\s+([\d.]+) ns/op\s+\d+ B/op\s+(\d+) allocs/op`)
	for _, found := range line.FindAllStringSubmatch(text, -1) {
		ns, _ := strconv.ParseFloat(found[1], 64)
		allocs, _ := strconv.ParseFloat(found[2], 64)
		m.ns, m.allocs = append(m.ns, ns), append(m.allocs, allocs)
	}
	if len(m.ns) == 0 {
		err = fmt.Errorf("no figures of %s in:\n%s", name, text)
	}
	return m, err
}
