package handlers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/links"
)

// ScanMetrics are what the reconciler's scans saw. Whoever scanned last has the
// numbers, so several workers show several: the newest, by At, is true.
type ScanMetrics struct {
	Links   *prometheus.GaugeVec // provider, status
	Overdue *prometheus.GaugeVec // provider
	Open    *prometheus.GaugeVec // provider; left unsettled by the scan
	// Unreadable are the records that the last one passed over.
	Unreadable prometheus.Gauge
	At         prometheus.Gauge       // when the last one was completed
	TakenUp    *prometheus.CounterVec // provider
}

func newScanMetrics(mk maker) ScanMetrics {
	return ScanMetrics{
		Links:      mk.gauges("links", "Links by status, as this worker's last scan of the store saw them.", "provider", "status"),
		Overdue:    mk.gauges("links_overdue", "Links whose timer should have fired before the last scan and had not.", "provider"),
		Open:       mk.gauges("links_unsettled", "Links that the last scan left with an open attempt, timer or unconfirmed event.", "provider"),
		Unreadable: mk.gauge("links_unreadable", "Records that the last scan passed over: of a newer version, or damaged."),
		At:         mk.gauge("scan_completed_timestamp_seconds", "When this worker last completed a scan of the store; 0: never."),
		TakenUp:    mk.counter("scan_taken_up_total", "Links that a scan found with an attempt, an exchange or a timer that nobody was at.", "provider"),
	}
}

// census counts what one scan sees. It is shown only when the scan is complete.
type census struct {
	links         map[[2]string]int // provider, status
	overdue, open map[string]int    // by provider
	unreadable    int
}

func newCensus() *census {
	return &census{links: map[[2]string]int{}, overdue: map[string]int{}, open: map[string]int{}}
}

func (c *census) see(l links.Link, then time.Time) {
	c.links[[2]string{l.Provider, string(l.Status)}]++
	if overdue(l, then) {
		c.overdue[l.Provider]++
	}
}

func (m ScanMetrics) show(c *census, at time.Time, providers map[string]Provider) {
	m.Links.Reset()
	for key, n := range c.links {
		m.Links.WithLabelValues(key[0], key[1]).Set(float64(n))
	}
	for name := range providers {
		m.Overdue.WithLabelValues(name).Set(float64(c.overdue[name]))
		m.Open.WithLabelValues(name).Set(float64(c.open[name]))
	}
	m.Unreadable.Set(float64(c.unreadable))
	m.At.Set(float64(at.Unix()))
}
