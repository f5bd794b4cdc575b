package handlers

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/links"
)

// Metrics of the handlers. Labels are bounded: providers and outcomes, never links.
// What each means to an operator is in docs/operations.md, the list in docs/metrics.md.
type Metrics struct {
	Presentations *prometheus.CounterVec   // provider, class
	PerExpiry     *prometheus.HistogramVec // provider; presentations of one credential until its generation ended
	Calls         *prometheus.HistogramVec // provider, class; time of a presentation
	Codes         *prometheus.CounterVec   // provider, class
	Generations   *prometheus.CounterVec   // provider, cause
	Verdicts      *prometheus.CounterVec   // provider, verdict
	Consents      *prometheus.CounterVec   // provider, outcome
	Stale         *prometheus.CounterVec   // provider, how
	Reads         *prometheus.CounterVec   // provider, outcome; bearers asked for
	Readers       prometheus.Gauge         // requests that wait for a bearer
	Spikes        *prometheus.CounterVec   // app; alarms about many dead grants
	Conflicts     *prometheus.CounterVec   // provider, step; writes that somebody else's came before
	LockWaits     *prometheus.HistogramVec // provider; waits for a lock held elsewhere
	LockAway      prometheus.Counter       // refreshes under the intent alone
	Adopted       prometheus.Counter       // spooled answers finished for a dead worker
	Latency       *prometheus.HistogramVec // provider; report stored to rotation announced
	SpoolFailed   prometheus.Counter
	AuditLost     prometheus.Counter     // entries that could not be written
	Replayed      *prometheus.CounterVec // verdict; inputs that an operator replays
	RolledBack    prometheus.Counter     // a record older than this process remembers
	UnknownKey    prometheus.Counter     // sealed under a key that this worker lacks
	Scans         ScanMetrics
}

// NewMetrics makes the collectors and registers them; a nil registry registers none.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	mk := maker{reg}
	return &Metrics{
		Presentations: mk.counter("presentations_total", "Refresh credentials presented to a provider, by what came of it.", "provider", "class"),
		PerExpiry: mk.histogram("presentations_per_expiry",
			"How often one credential was presented until its generation was replaced or given up. The number that must be 1.", []float64{1, 2, 3, 5, 8}, "provider"),
		Calls:       mk.histogram("provider_call_seconds", "Time that a provider took to answer a presentation, refresh or code.", callBuckets, "provider", "class"),
		Codes:       mk.counter("code_presentations_total", "Authorization codes presented to a provider, by what came of it.", "provider", "class"),
		Generations: mk.counter("generations_total", "Token sets committed by a refresh.", "provider", "cause"),
		Verdicts:    mk.counter("link_verdicts_total", "Links judged uncertain, consent_required, quarantined, or recovered to active.", "provider", "verdict"),
		Consents:    mk.counter("consents_total", "Consent flows that came back, by what became of them.", "provider", "outcome"),
		Stale:       mk.counter("stale_reports_total", "Reports settled without a provider call: by memory, by collapsing into a flight, or by reading.", "provider", "how"),
		Reads:       mk.counter("token_reads_total", "Requests for a link's bearer, by what they were answered: served, or the code of the refusal.", "provider", "outcome"),
		Readers:     mk.gauge("token_readers_waiting", "Requests for a bearer that wait for the next generation."),
		Spikes:      mk.counter("dead_grant_spikes_total", "Times that so many grants of an app were called dead that verdicts are held.", "app"),
		Conflicts:   mk.counter("record_conflicts_total", "Writes of a link's record that lost to another writer and were decided anew.", "provider", "step"),
		LockWaits:   mk.histogram("lock_wait_seconds", "Waits for a link's lock that another worker held.", secondsToTen, "provider"),
		LockAway:    mk.plain("lock_unavailable_total", "Refreshes made under the intent alone because the lock server was away."),
		Adopted:     mk.plain("spool_adopted_total", "Answers of dead workers that this one committed."),
		Latency:     mk.histogram("report_to_rotated_seconds", "From the storing of the first report to the stored token-rotated.", secondsToTwoMinutes, "provider"),
		SpoolFailed: mk.plain("spool_failures_total", "Answers that could not be saved on the worker's disk before their commit."),
		AuditLost:   mk.plain("audit_lost_total", "Entries of the audit about what this worker did that could not be written."),
		Replayed:    mk.counter("replayed_inputs_total", "Inputs that an operator replays, by what was decided on them.", "verdict"),
		RolledBack:  mk.plain("store_rolled_back_total", "Records older than what this process remembers: the store was restored from a backup."),
		UnknownKey:  mk.plain("unknown_key_total", "Sealed values that named a key which this worker's keys file lacks; they wait."),
		Scans:       newScanMetrics(mk),
	}
}

var (
	secondsToTwoMinutes = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	secondsToTen        = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	callBuckets         = []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 120}
)

// zero makes what an alert counts begin at 0 and not with its first event, which
// would be no increase.
func (m *Metrics) zero(providers map[string]Provider) {
	for name, p := range providers {
		for _, verdict := range []links.Status{links.Uncertain, links.ConsentRequired} {
			m.Verdicts.WithLabelValues(name, string(verdict))
		}
		m.Verdicts.WithLabelValues(name, links.ResultCommitted.String()+"_"+string(links.Quarantined))
		m.PerExpiry.WithLabelValues(name)
		m.Spikes.WithLabelValues(p.Profile().AppOf(name))
	}
}

// ended notes how often the last credential of a generation was presented, where
// the record after it has no more use for that: it was replaced, or given up.
func (m *Metrics) ended(was, is links.Link) {
	last, ok := was.Current()
	gone := is.Generation > was.Generation || is.Status == links.ConsentRequired && was.Status != links.ConsentRequired
	if !ok || !gone {
		return
	}
	times := 0
	for _, a := range was.Attempts {
		if a.By() == last.By() {
			times++
		}
	}
	m.PerExpiry.WithLabelValues(was.Provider).Observe(float64(times))
}

// maker makes collectors of this namespace, and registers them where there is a registry.
type maker struct{ reg prometheus.Registerer }

func (m maker) counter(name, help string, labels ...string) *prometheus.CounterVec {
	return registered(m, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels))
}

func (m maker) plain(name, help string) prometheus.Counter {
	return registered(m, prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}))
}

func (m maker) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return registered(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels))
}

func (m maker) gauge(name, help string) prometheus.Gauge {
	return registered(m, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}))
}

func (m maker) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return registered(m, prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels))
}

const namespace = "regrant"

func registered[C prometheus.Collector](m maker, c C) C {
	if m.reg != nil {
		m.reg.MustRegister(c)
	}
	return c
}
