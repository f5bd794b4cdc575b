package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/bench/stand"
)

// Ready is what a load prints when its first report is about to go.
const Ready = "load begins"

// Result is what Run prints at its end, as JSON on a line of its own.
type Result struct {
	// Took are the times from a report to its announcement, in the order of the reports.
	Took []time.Duration
	// Missing were not announced in time.
	Missing int
}

// Run reports, and prints a Result.
func Run(ctx context.Context, s Spec, out io.Writer) error {
	conn, err := nats.Connect(s.NATSURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := &run{Spec: s, conn: conn, subjects: events.Subjects{Prefix: s.Prefix}, place: map[string]int{}, sent: make([]time.Time, s.Links), came: make([]time.Time, s.Links), all: make(chan struct{})}
	reports, err := r.prepare()
	if err != nil {
		return err
	}
	if err := r.listen(); err != nil {
		return err
	}
	fmt.Fprintln(out, Ready)
	if err := r.report(ctx, reports); err != nil {
		return err
	}
	r.await(ctx)
	return json.NewEncoder(out).Encode(r.result())
}

type run struct {
	Spec
	conn     *nats.Conn
	subjects events.Subjects
	place    map[string]int // of a link in the order of reports

	mu         sync.Mutex
	sent, came []time.Time
	announced  int
	all        chan struct{}
}

func (r *run) prepare() ([]*nats.Msg, error) {
	reports := make([]*nats.Msg, r.Links)
	for i := range reports {
		a := stand.Address(r.Provider, i)
		m, err := stand.Report(r.subjects, a)
		if err != nil {
			return nil, err
		}
		reports[i], r.place[a.Link] = m, i
	}
	return reports, nil
}

// listen takes the time of announcements.
func (r *run) listen() error {
	if r.Patience == 0 {
		return nil
	}
	filter := r.subjects.Live(events.Address{Tenant: "*", Provider: r.Provider, Link: "*"}, events.NameTokenRotated)
	if _, err := r.conn.Subscribe(filter, func(m *nats.Msg) { r.note(m.Subject, time.Now()) }); err != nil {
		return err
	}
	return r.conn.Flush()
}

func (r *run) note(subject string, at time.Time) {
	a, _, err := r.subjects.ParseLive(subject)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.place[a.Link]; ok && r.came[i].IsZero() {
		r.came[i] = at
		if r.announced++; r.announced == r.Links {
			close(r.all)
		}
	}
}

// report sends at the set rate: each report at its own time, not after the one before.
func (r *run) report(ctx context.Context, reports []*nats.Msg) error {
	begin, timer := time.Now(), time.NewTimer(0)
	defer timer.Stop()
	for i, m := range reports {
		timer.Reset(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(r.Rate))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		r.mu.Lock()
		r.sent[i] = time.Now()
		r.mu.Unlock()
		if err := r.conn.PublishMsg(m); err != nil {
			return err
		}
	}
	return r.conn.Flush()
}

func (r *run) await(ctx context.Context) {
	limit := time.NewTimer(r.Patience)
	defer limit.Stop()
	select {
	case <-r.all:
	case <-limit.C:
	case <-ctx.Done():
	}
}

func (r *run) result() (result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, at := range r.came {
		if at.IsZero() {
			result.Missing++
			continue
		}
		result.Took = append(result.Took, at.Sub(r.sent[i]))
	}
	return result
}
