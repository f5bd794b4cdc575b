package handlers

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the handlers. Labels are bounded: providers and outcomes, never links.
type Metrics struct {
	Presentations *prometheus.CounterVec   // provider, class
	Codes         *prometheus.CounterVec   // provider, class
	Generations   *prometheus.CounterVec   // provider, cause
	Verdicts      *prometheus.CounterVec   // provider, verdict
	Consents      *prometheus.CounterVec   // provider, outcome
	Stale         *prometheus.CounterVec   // provider, how
	Reads         *prometheus.CounterVec   // provider, outcome; bearers asked for
	Refused       *prometheus.CounterVec   // reason; inputs that became dead letters
	Spikes        *prometheus.CounterVec   // app; alarms about many dead grants
	LockAway      prometheus.Counter       // refreshes under the intent alone
	Adopted       prometheus.Counter       // spool files finished for a dead worker
	Latency       *prometheus.HistogramVec // provider; report stored to rotation announced
	SpoolFailed   prometheus.Counter
	RolledBack    prometheus.Counter // a record older than this process remembers
}

// NewMetrics makes the collectors and registers them; a nil registry registers none.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "regrant", Name: name, Help: help}, labels)
	}
	plain := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "regrant", Name: name, Help: help})
	}
	m := &Metrics{
		Presentations: counter("presentations_total", "Refresh credentials presented to a provider, by what came of it.", "provider", "class"),
		Codes:         counter("code_presentations_total", "Authorization codes presented to a provider, by what came of it.", "provider", "class"),
		Generations:   counter("generations_total", "Token sets committed by a refresh. Presentations over generations is the number that must be 1.", "provider", "cause"),
		Verdicts:      counter("link_verdicts_total", "Links judged uncertain, consent_required or quarantined.", "provider", "verdict"),
		Consents:      counter("consents_total", "Consent flows that came back, by what became of them.", "provider", "outcome"),
		Stale:         counter("stale_reports_total", "Reports settled without a provider call: by memory, by collapsing into a flight, or by reading.", "provider", "how"),
		Reads:         counter("token_reads_total", "Requests for a link's bearer, by what they were answered: served, or the code of the refusal.", "provider", "outcome"),
		Refused:       counter("refused_inputs_total", "Inputs refused for good: they lie in the dead letters.", "reason"),
		Spikes:        counter("dead_grant_spikes_total", "Times that so many grants of an app were called dead that verdicts are held.", "app"),
		LockAway:      plain("lock_unavailable_total", "Refreshes made under the intent alone because the lock server was away."),
		Adopted:       plain("spool_adopted_total", "Answers of dead workers that this one committed."),
		Latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "regrant", Name: "report_to_rotated_seconds",
			Help:    "From the storing of the first report to the stored token-rotated.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"provider"}),
		SpoolFailed: plain("spool_failures_total", "Answers that could not be saved on the worker's disk before their commit."),
		RolledBack:  plain("store_rolled_back_total", "Records older than what this process remembers: the store was restored from a backup."),
	}
	if reg != nil {
		reg.MustRegister(m.Presentations, m.Codes, m.Generations, m.Verdicts, m.Consents, m.Stale, m.Reads, m.Refused, m.Spikes, m.LockAway, m.Adopted, m.Latency, m.SpoolFailed, m.RolledBack)
	}
	return m
}
