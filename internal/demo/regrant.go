package demo

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
)

// reporters is the side of services that report a 401 and do nothing else.
type reporters struct {
	stage *stage
	links []fleet.Link
	// first is when the first report about each link set out.
	once  []sync.Once
	first []time.Time
}

func newReporters(s *stage, made []fleet.Link) *reporters {
	return &reporters{stage: s, links: made, once: make([]sync.Once, len(made)), first: make([]time.Time, len(made))}
}

// notice: every other service knows the generation, as users of our client do;
// the rest know no more than the token that failed, and send its fingerprint.
func (r *reporters) notice(service, t int) reaction {
	d := events.TokenExpired{
		Address: r.links[t].Address, Reason: events.ReasonUnauthorized, Status: 401, Error: "invalid_token",
	}
	if service%2 == 0 {
		d.Generation = 1
	} else {
		d.Fingerprint = events.Fingerprint(r.links[t].Bearer)
	}
	return func(ctx context.Context) error {
		m, err := r.stage.cell.Report(d)
		if err != nil {
			return err
		}
		delete(m.Header, events.HeaderMsgID) // or NATS would drop most of the storm
		r.once[t].Do(func() { r.first[t] = time.Now() })
		return r.stage.services[service].PublishInput(ctx, m)
	}
}

// runRegrant is the whole of Regrant's side.
func runRegrant(ctx context.Context, o Options, dir string, r *Report) (err error) {
	s, err := setUp(ctx, o, dir)
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err != nil {
		return err
	}
	made, err := s.importLinks(ctx, o)
	if err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready(s.cell.Sim)
	}
	side := newReporters(s, made)
	rotated, stop, err := s.countRotations(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := side.fire(ctx, o); err != nil {
		return err
	}
	if err := s.settle(ctx, o, made, rotated); err != nil {
		return err
	}
	if err := s.stopWorkers(ctx); err != nil {
		return err
	}
	return side.measure(ctx, o, r)
}

// fire runs the storm and returns when every report is stored.
func (r *reporters) fire(ctx context.Context, o Options) error {
	client := newClient()
	defer client.CloseIdleConnections()
	o.Progress.Begin("401s reported", o.Reports)
	defer o.Progress.End()
	return (&storm{client: client, side: r, targets: r.targets(o), progress: o.Progress}).run(ctx)
}

func (r *reporters) targets(o Options) []target {
	all := make([]target, len(r.links))
	for i, l := range r.links {
		all[i] = target{
			provider: l.Address.Provider, family: l.Family, bearer: l.Bearer,
			resource: r.stage.cell.Sim.Endpoints(l.Address.Provider).ResourceURL, reports: share(o.Reports, len(r.links), i),
		}
	}
	return all
}
