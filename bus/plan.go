package bus

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
)

// How long things are kept, and within which window the server recognises a
// repeated message id.
const (
	keepInputs  = 30 * 24 * time.Hour
	keepOutputs = 30 * 24 * time.Hour // longer than an outbox rests: handlers.OutboxRest
	keepDead    = 90 * 24 * time.Hour
	keepAudit   = 400 * 24 * time.Hour // a year, and time to look at it
	// dedupInputs is short: a report that comes after the refresh it asked for
	// must get through, and everything behind it bears duplicates.
	dedupInputs = 30 * time.Second
	dedupOther  = 2 * time.Minute
	// maxAckPending bounds what all workers together hold of one provider.
	maxAckPending = 10_000
	// markerTTL is how long a delete marker of an expired consent stays. Longer
	// values would silently lengthen shorter key TTLs.
	markerTTL = time.Minute
)

// Plan says what a cell consists of.
type Plan struct {
	// Prefix of all names; must be that of the Bus. Empty means events.DefaultPrefix.
	Prefix string
	// Providers whose inputs the cell accepts.
	Providers []string
	// Replicas of each stream and bucket. Zero means 1.
	Replicas int
	// Budget gives the consumers' AckWait. Zero means that of budget.Default.
	Budget budget.Budget
}

func (p Plan) names() Names { return Names{Prefix: p.Prefix} }

func (p Plan) validate(cell Names) error {
	if p.names().prefix() != cell.prefix() {
		return fmt.Errorf("the plan is for the prefix %q, the connection for %q", p.names().prefix(), cell.prefix())
	}
	if len(p.Providers) == 0 {
		return errors.New("no provider is configured: add one under `providers`")
	}
	for _, provider := range p.Providers {
		if !events.ValidProvider(provider) {
			return fmt.Errorf("provider name %q does not match [a-z0-9-]{1,32}: rename it in the configuration", provider)
		}
	}
	return nil
}

// streams lists what the cell stores, buckets included: a bucket is a stream.
func (p Plan) streams() []jetstream.StreamConfig {
	n := p.names()
	return []jetstream.StreamConfig{
		p.inputs(), p.timers(), p.outputs(), p.dead(), p.audit(),
		p.bucket(n.Links(), 0), p.bucket(n.Index(), 0), p.bucket(n.Consents(), markerTTL), p.bucket(n.Apps(), 0),
	}
}

func (p Plan) stream(name string, keep, dedup time.Duration, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        name,
		Subjects:    subjects,
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Replicas:    cmp.Or(p.Replicas, 1),
		MaxAge:      keep,
		Duplicates:  dedup,
		AllowDirect: true,
	}
}

// inputs lists a subject per provider, so that a report for one that nobody
// handles fails where it is published.
func (p Plan) inputs() jetstream.StreamConfig {
	subjects := make([]string, len(p.Providers))
	for i, provider := range p.Providers {
		subjects[i] = p.names().Subjects().InFilter(provider)
	}
	return p.stream(p.names().In(), keepInputs, dedupInputs, subjects...)
}

// timers has no age limit: it would silently delete schedules due later than it.
func (p Plan) timers() jetstream.StreamConfig {
	s := p.names().Subjects()
	cfg := p.stream(p.names().Timer(), 0, dedupOther, s.TimerAll(), s.DueAll())
	cfg.AllowMsgSchedules, cfg.AllowMsgTTL, cfg.AllowRollup = true, true, true
	return cfg
}

// outputs republishes what was stored: subscribers of the live subjects never
// see an event that the stream then refused, nor one twice.
func (p Plan) outputs() jetstream.StreamConfig {
	s := p.names().Subjects()
	cfg := p.stream(p.names().Out(), keepOutputs, dedupOther, s.OutAll())
	cfg.RePublish = &jetstream.RePublish{Source: s.OutAll(), Destination: s.LiveAll()}
	return cfg
}

func (p Plan) dead() jetstream.StreamConfig {
	return p.stream(p.names().Dead(), keepDead, dedupOther, p.names().Subjects().DeadAll())
}

// audit takes no deletion before its entries' time: not by whoever may publish, read or
// ask the server to.
func (p Plan) audit() jetstream.StreamConfig {
	cfg := p.stream(p.names().Audit(), keepAudit, dedupOther, p.names().Subjects().AuditAll())
	cfg.DenyDelete, cfg.DenyPurge = true, true
	return cfg
}

// bucket is a key-value bucket with history 1, as NATS's ADR-8 lays it out.
// markers above zero allows keys to have a TTL of their own.
func (p Plan) bucket(name string, markers time.Duration) jetstream.StreamConfig {
	cfg := p.stream(BucketStream(name), 0, dedupOther, BucketKeys(name))
	cfg.MaxMsgsPerSubject = 1
	cfg.Discard = jetstream.DiscardNew
	cfg.AllowRollup, cfg.DenyDelete = true, true
	cfg.AllowMsgTTL, cfg.SubjectDeleteMarkerTTL = markers > 0, markers
	return cfg
}

// placedConsumer is a consumer and the stream it belongs to.
type placedConsumer struct {
	stream string
	config jetstream.ConsumerConfig
}

func (p Plan) consumers() []placedConsumer {
	var all []placedConsumer
	n, s := p.names(), p.names().Subjects()
	for _, provider := range p.Providers {
		all = append(all,
			placedConsumer{n.In(), p.consumer(n.WorkerConsumer(provider), s.InFilter(provider))},
			placedConsumer{n.Timer(), p.consumer(n.DueConsumer(provider), s.DueFilter(provider))},
		)
	}
	return all
}

// consumer delivers without end: running out of deliveries would drop a message
// in silence. Poison is told by this package instead.
func (p Plan) consumer(durable, filter string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       durable,
		FilterSubject: filter,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       p.budget().AckWait,
		MaxDeliver:    -1,
		MaxAckPending: maxAckPending,
	}
}

func (p Plan) budget() budget.Budget {
	if p.Budget == (budget.Budget{}) {
		return budget.Of(budget.Default)
	}
	return p.Budget
}
