// Package inbox holds what passes between the message queue and those who
// decide: a Message as it was delivered, and the Verdict on it. It exists so
// that handlers never see a queue and the queue never sees a decision: bus maps
// verdicts to acknowledgements in one place, handlers can be driven by a test.
package inbox

import "time"

// Message is one delivery of one stored message. A message may be delivered
// many times, also while an earlier delivery of it is still being handled.
type Message struct {
	Subject string
	// Header holds the values as they stand on the wire; keys are case-sensitive in NATS.
	Header map[string][]string
	Data   []byte
	// Stream and Sequence name the stored message, for dead letters and logs.
	Stream   string
	Sequence uint64
	// StoredAt is the server's own time of storing: the only clock that all workers share.
	StoredAt time.Time
	// Delivered counts deliveries of this message, from 1. Waiting raises it too.
	Delivered uint64
}

// Kind is what to do with a message.
type Kind uint8

// The verdicts. The zero Kind is Later, so that a forgotten return redelivers.
const (
	// KindLater puts the message back for After.
	KindLater Kind = iota
	// KindDone acknowledges: the effect is durable or another unacked message carries the duty.
	KindDone
	// KindDead stores a dead letter (reference, reason, field; no payload), then terminates.
	KindDead
)

// Verdict is a handler's answer to a message.
type Verdict struct {
	Kind Kind
	// After is the delay of KindLater.
	After time.Duration
	// Reason and Field explain KindDead: a stable snake_case reason and the JSON or header field at fault.
	Reason, Field string
}

// Done acknowledges a message.
func Done() Verdict { return Verdict{Kind: KindDone} }

// Later redelivers a message after d.
func Later(d time.Duration) Verdict { return Verdict{Kind: KindLater, After: d} }

// Dead moves a message to the dead letters. Only for permanent reasons.
func Dead(reason, field string) Verdict {
	return Verdict{Kind: KindDead, Reason: reason, Field: field}
}
