package million

import (
	"fmt"

	"github.com/regrant/regrant/internal/bench/report"
)

// Lines are the claims of the row.
func (r Result) Lines() []report.Line {
	const mb = 1 << 20
	compared, when := r.Scanning, "during the first scan"
	if r.Quiet != nil {
		compared, when = *r.Quiet, "after the first scan"
	}
	each := 0.0
	if r.Tokens > 0 {
		each = float64(r.Presentations) / float64(r.Tokens)
	}
	links := fmt.Sprintf("%d links", r.Links)
	return []report.Line{
		{
			What: links + ": memory of a worker, at most", Unit: "MB", Value: float64(r.Worker.Peak) / mb, Bar: 250, AtMost: true,
			Detail: fmt.Sprintf("%s at the end; NATS server %s; with few links worker %s", r.Worker.Now, r.Server, r.WorkerFew),
		}, {
			What: links + ": start of a worker until it is ready", Unit: "s", Value: r.Ready.Seconds(), Bar: 5, AtMost: true,
			Detail: fmt.Sprintf("with few links %.2f s; NATS server %.1f s; import %.0f s, %.0f/s",
				r.ReadyFew.Seconds(), r.ServerRestart.Seconds(), r.Import.Seconds(), float64(r.Links)/r.Import.Seconds()),
		}, {
			What: links + ": a refresh, against one among few, " + when, Value: compared.Ratio(), Bar: 1.1, AtMost: true, Presentations: each,
			Detail: fmt.Sprintf("%s; the first after the server's restart %.2f x", compared, r.Cold.Ratio()),
		},
	}
}
