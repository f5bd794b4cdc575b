package fleet_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// floor is what a refresh costs without its promises: consume, one provider
// call, publish, ack; no lock, no record, no intent, no spool.
type floor struct {
	cell   *fleet.Cell
	client *http.Client
	tokens sync.Map // link → refresh token
	done   chan struct{}
	left   atomic.Int64
}

func (f *floor) Peek(*inbox.Message) (inbox.Verdict, bool) { return inbox.Verdict{}, false }

func (f *floor) Handle(ctx context.Context, m *inbox.Message) inbox.Verdict {
	s := f.cell.Bus.Names().Subjects()
	a, _, err := s.ParseIn(m.Subject)
	if err != nil {
		return inbox.Dead("subject", "")
	}
	token, _ := f.tokens.Load(a.Link)
	at := f.cell.Sim.Endpoints(a.Provider)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return inbox.Later(time.Second)
	}
	req.Header.Set("content-type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(at.ClientID, at.ClientSecret)
	res, err := f.client.Do(req)
	if err != nil {
		return inbox.Later(time.Second)
	}
	_ = res.Body.Close()
	e, err := events.NewOutput("//floor", 1, time.Now(), events.Trace{}, events.TokenRotated{
		Address: a, Generation: 2, PreviousGeneration: 1, Consent: 1, Cause: events.CauseRefresh, Comparison: events.ComparisonUnknown,
	})
	if err != nil {
		return inbox.Later(time.Second)
	}
	out, err := s.OutputMessage(e)
	if err == nil {
		err = f.cell.Bus.PublishOutput(ctx, out)
	}
	if err != nil {
		return inbox.Later(time.Second)
	}
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
	return inbox.Done()
}

// BenchmarkDistinctLinks refreshes b.N links once each, and prints what the
// promises cost: the ratio to the floor, measured in the same run.
func BenchmarkDistinctLinks(b *testing.B) {
	for _, delay := range []time.Duration{0, 100 * time.Millisecond} {
		b.Run(fmt.Sprintf("provider %s", delay), func(b *testing.B) {
			bare := run(b, delay, func(ctx context.Context, cell *fleet.Cell, made []fleet.Link) (wait func(), stop func()) {
				f := &floor{cell: cell, done: make(chan struct{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
				f.left.Store(int64(len(made)))
				for _, l := range made {
					f.tokens.Store(l.Link, l.RefreshToken)
				}
				n := cell.Bus.Names()
				c, err := cell.Bus.Consume(ctx, bus.ConsumerSpec{Stream: n.In(), Durable: n.WorkerConsumer("op"), Slots: 256, Handler: f})
				if err != nil {
					b.Fatal(err)
				}
				return func() { <-f.done }, func() { _ = c.Stop(ctx); f.client.CloseIdleConnections() }
			})
			ours := run(b, delay, func(ctx context.Context, cell *fleet.Cell, made []fleet.Link) (wait func(), stop func()) {
				var left atomic.Int64
				left.Store(int64(len(made)))
				done := make(chan struct{})
				unlisten, err := cell.Bus.Live(ctx, func(events.Address, map[string][]string) {
					if left.Add(-1) == 0 {
						close(done)
					}
				})
				if err != nil {
					b.Fatal(err)
				}
				w, err := cell.Start(ctx, "bench", nil)
				if err != nil {
					b.Fatal(err)
				}
				return func() { <-done }, func() { unlisten(); _ = w.Stop(ctx) }
			})
			b.ReportMetric(float64(b.N)/ours.Seconds(), "refreshes/s")
			b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-floor")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// run reports b.N links in a cell of its own and measures until all are announced.
func run(b *testing.B, delay time.Duration, begin func(context.Context, *fleet.Cell, []fleet.Link) (wait, stop func())) time.Duration {
	b.Helper()
	ctx := context.Background()
	profile, err := providers.Builtin("generic")
	if err != nil {
		b.Fatal(err)
	}
	profile.Rotation, profile.MinInterval, profile.Concurrency = providers.RotationAlways, 0, 256
	cell, err := fleet.New(ctx, fleet.Options{
		Dir: b.TempDir(), NATSURL: testenv.NATS(b), RedisURL: testenv.Redis(b), LockTTL: 10 * time.Second,
		Providers: map[string]fleet.Provider{"op": {
			Behaviour: providertest.Behaviour{ClientID: "c", ClientSecret: "s", AccessTTL: time.Hour, Delay: delay}, Profile: profile,
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cell.Close(ctx) }()
	made, err := cell.Import(ctx, "op", b.N)
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range made {
		m, err := cell.Report(events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized})
		if err == nil {
			err = cell.Bus.PublishInput(ctx, m)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	wait, stop := begin(ctx, cell, made)
	wait()
	took := time.Since(start)
	stop()
	return took
}
