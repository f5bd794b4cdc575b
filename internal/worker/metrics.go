package worker

import (
	"cmp"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/providers"
)

// counters are what happens between the servers and the handlers. What is asked
// for at each scrape is in scrape.go.
type counters struct {
	dead     *prometheus.CounterVec // provider, reason
	requests *prometheus.CounterVec // verb, outcome
	breaker  *prometheus.GaugeVec   // app
	redis    *prometheus.CounterVec // what
}

// newCounters makes the collectors and registers them; a nil registry registers none.
func newCounters(o Options) *counters {
	c := &counters{
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrant_dead_letters_total", Help: "Messages given up for good: a dead letter names each.",
		}, []string{"provider", "reason"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrant_api_requests_total", Help: "Requests to the API by verb and answer: ok, or the code of the refusal.",
		}, []string{"verb", "outcome"}),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "regrant_app_breaker_open", Help: "1 while this worker leaves an app's provider alone because it does not answer.",
		}, []string{"app"}),
		redis: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrant_redis_errors_total", Help: "Failed connections (dial) and commands of the lock server's client.",
		}, []string{"what"}),
	}
	for _, app := range appNames(o.Config) {
		c.breaker.WithLabelValues(app)
	}
	for _, what := range []string{whatDial, whatCommand} {
		c.redis.WithLabelValues(what)
	}
	if o.Registry != nil {
		o.Registry.MustRegister(c.dead, c.requests, c.breaker, c.redis, buildInfo(o.Version), providerInfo(o.Config))
	}
	return c
}

func (c *counters) answered(verb, outcome string) { c.requests.WithLabelValues(verb, outcome).Inc() }

func (c *counters) broke(app string, open bool) {
	state := 0.0
	if open {
		state = 1
	}
	c.breaker.WithLabelValues(app).Set(state)
}

// buildInfo names what runs, for telling a change of numbers from a change of version.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "regrant_build_info", Help: "1, with the version of this worker and of the Go that built it.",
	}, []string{"version", "go"})
	g.WithLabelValues(version, runtime.Version()).Set(1)
	return g
}

// providerInfo lets rules tell providers apart by how they behave: a second
// presentation is a fault where it is forbidden, and nothing elsewhere.
func providerInfo(c config.Config) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "regrant_provider_info", Help: "1 for each configured provider, with its app and what its profile says of rotation and replay.",
	}, []string{"provider", "app", "rotation", "replay"})
	for name, p := range c.Providers {
		g.WithLabelValues(name, p.AppOf(name), string(cmp.Or(p.Rotation, providers.RotationAlways)), replayOf(p)).Set(1)
	}
	return g
}

// replayOf is the rule, or last_chance where the configuration allows one more.
func replayOf(p providers.Profile) string {
	if p.LastChance {
		return "last_chance"
	}
	return p.Replay.Kind.String()
}
