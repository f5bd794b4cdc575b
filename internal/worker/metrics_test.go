package worker_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
)

// What happens between the servers and the handlers is counted, and the state of
// the moment is told to whoever scrapes.
func TestAWorkerTellsItsState(t *testing.T) {
	c := newCell(t, startNATS(t, t.TempDir(), -1).URL())
	l := imported(t, c, 2)[0]
	registry := prometheus.NewRegistry()
	w := start(t, c, "a", func(o *worker.Options) { o.Registry, o.Version = registry, "v1.2.3" })
	e, err := worker.Serve("127.0.0.1:0", registry, w.Ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, e.Close) })
	report(t, c, l)
	awaitGeneration(t, c, l.Address, 2)
	unreadable := events.Message{Subject: c.Bus.Names().Subjects().In(l.Address, events.NameTokenExpired), Data: []byte("{"), Header: nats.Header{}}
	if err := c.Bus.PublishInput(t.Context(), unreadable); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bus.Conn().Request(c.Bus.Names().Subjects().API("default", "list"), []byte(`{"user":"u"}`), limit); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		`regrant_ready 1`,
		`regrant_build_info{go=`,
		`version="v1.2.3"} 1`,
		`regrant_provider_info{app="op",provider="op",replay="forbidden",rotation="always"} 1`,
		`regrant_presentations_per_expiry_bucket{provider="op",le="1"} 1`,
		`regrant_provider_call_seconds_count{class="ok",provider="op"} 1`,
		`regrant_dead_letters_total{provider="op",reason=`,
		`regrant_api_requests_total{outcome="ok",verb="list"} 1`,
		`regrant_app_suspended{app="op"} 0`,
		`regrant_app_resting_seconds{app="op"} 0`,
		`regrant_app_breaker_open{app="op"} 0`,
		`regrant_spool_files 0`,
		`regrant_lock_server_available 1`,
		`regrant_fleet_workers 1`,
		`regrant_consumer_pending{consumer="worker-op"} 0`,
		`regrant_consumer_ack_pending{consumer="due-op"} 0`,
		`regrant_links{provider="op",status="active"} 2`,
		`regrant_links_overdue{provider="op"} 0`,
	} {
		testenv.Eventually(t, limit, "metrics show "+want, func() bool {
			_, body := get(t, e, "/metrics")
			return strings.Contains(body, want)
		})
	}
}
