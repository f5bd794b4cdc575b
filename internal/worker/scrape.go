package worker

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/bus"
)

// scrape answers a scrape with the state of the moment: what would otherwise have to
// be kept up to date for somebody who may never ask.
type scrape struct {
	w    *Worker
	apps []string
	now  func() time.Time

	backlog backlogs
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("regrant_"+name, help, labels, nil)
}

var (
	descReady       = describe("ready", "1 while the worker takes work, as /readyz says.")
	descReconnects  = describe("nats_reconnects_total", "Times that the connection to NATS was made again.")
	descLockServer  = describe("lock_server_available", "1 while locks are taken on the lock server, 0 while refreshing goes on without.")
	descRatesShared = describe("rates_shared", "1 while the fleet shares its rate limits, 0 while each worker goes by its share.")
	descFleet       = describe("fleet_workers", "Workers of this cell as Redis last told, this one included.")
	descSuspended   = describe("app_suspended", "1 while a provider refuses the app's registration.", "app")
	descHeld        = describe("app_verdicts_held", "1 while no grant of the app is called dead, because so many were at once.", "app")
	descResting     = describe("app_resting_seconds", "For how long the app is left alone still, because its provider asked for it.", "app")
	descSpooled     = describe("spool_files", "Answers on this host's disk that are not committed and announced yet, of all workers that share the data directory.")
	descSpoolAge    = describe("spool_oldest_seconds", "Age of the oldest of them; 0: there is none.")
	descPending     = describe("consumer_pending", "Messages of a consumer that no worker was given yet.", "consumer")
	descInWork      = describe("consumer_ack_pending", "Messages of a consumer that are in work or put back for later.", "consumer")
	descRedelivered = describe("consumer_redelivered", "Those of them that were delivered more than once.", "consumer")
)

// Describe names what Collect may send.
func (s *scrape) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descReady, descReconnects, descLockServer, descRatesShared, descFleet, descSuspended, descHeld,
		descResting, descSpooled, descSpoolAge, descPending, descInWork, descRedelivered,
	} {
		ch <- d
	}
}

// Collect sends what is known at this moment. What cannot be asked for is left out:
// a gap says more than the number from before.
func (s *scrape) Collect(ch chan<- prometheus.Metric) {
	ready := s.w.Ready() == nil
	gauge(ch, descReady, truth(ready))
	ch <- prometheus.MustNewConstMetric(descReconnects, prometheus.CounterValue, float64(s.w.bus.Reconnects()))
	gauge(ch, descLockServer, truth(s.w.locks.Available()))
	gauge(ch, descRatesShared, truth(s.w.limits.Available()))
	gauge(ch, descFleet, float64(s.w.limits.Workers()))
	s.collectApps(ch)
	s.collectSpool(ch)
	if ready {
		s.backlog.collect(ch, s.now(), s.w.consumers)
	}
}

func (s *scrape) collectApps(ch chan<- prometheus.Metric) {
	for _, name := range s.apps {
		a, _ := s.w.apps.App(name)
		gauge(ch, descSuspended, truth(a.Suspended()), name)
		gauge(ch, descHeld, truth(s.w.apps.Held(name)), name)
		gauge(ch, descResting, s.w.limits.Resting(name).Seconds(), name)
	}
}

func (s *scrape) collectSpool(ch chan<- prometheus.Metric) {
	held, err := s.w.spool.Holding()
	if err != nil {
		return // the directory is gone: spool_failures_total will tell
	}
	age := time.Duration(0)
	if !held.Oldest.IsZero() {
		age = max(0, s.now().Sub(held.Oldest))
	}
	gauge(ch, descSpooled, float64(held.Entries))
	gauge(ch, descSpoolAge, age.Seconds())
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Backlogs cost the server a request for each consumer: they are asked for at most
// this often, however many scrape, and waited for no longer than a scrape can.
const (
	backlogEvery = 10 * time.Second
	backlogLimit = 2 * time.Second
)

// backlogs remembers what the server last said of the consumers.
type backlogs struct {
	mu    sync.Mutex
	asked time.Time
	known map[string]bus.Backlog
}

func (b *backlogs) collect(ch chan<- prometheus.Metric, now time.Time, consumers []*bus.Consumer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asked.IsZero() || now.Sub(b.asked) >= backlogEvery {
		b.asked, b.known = now, ask(consumers)
	}
	for name, is := range b.known {
		gauge(ch, descPending, float64(is.Pending), name)
		gauge(ch, descInWork, float64(is.InWork), name)
		gauge(ch, descRedelivered, float64(is.Redelivered), name)
	}
}

// ask leaves out a consumer that the server does not answer for.
func ask(consumers []*bus.Consumer) map[string]bus.Backlog {
	ctx, cancel := context.WithTimeout(context.Background(), backlogLimit)
	defer cancel()
	known := map[string]bus.Backlog{}
	for _, c := range consumers {
		if is, err := c.Backlog(ctx); err == nil {
			known[c.Name()] = is
		}
	}
	return known
}
