package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// reasonPoison is the reason of a message that is never settled.
const reasonPoison = "poison"

// A message is poison when it was delivered often *and* is old. Waiting raises
// the count too, so neither says enough alone.
const (
	poisonDeliveries = 50
	poisonAge        = time.Hour
)

// DeadLetter refers to a message that was given up. It never holds the payload:
// whoever may read that can read it at Stream and Sequence, while it is kept.
type DeadLetter struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Subject  string `json:"subject"`
	// Reason is a stable snake_case word, Field what it is about; no values.
	Reason string `json:"reason"`
	Field  string `json:"field,omitempty"`
	// Deliveries, and when the message was stored and given up.
	Deliveries uint64    `json:"deliveries"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	// Worker that gave it up.
	Worker string `json:"worker"`
}

func (c *Consumer) poison(d *delivery) bool {
	return d.msg.Delivered >= poisonDeliveries && c.bus.cfg.Now().Sub(d.msg.StoredAt) > poisonAge
}

func (c *Consumer) letter(d *delivery, verdict inbox.Verdict) DeadLetter {
	return DeadLetter{
		Stream: d.msg.Stream, Sequence: d.msg.Sequence, Subject: d.msg.Subject,
		Reason: verdict.Reason, Field: verdict.Field, Deliveries: d.msg.Delivered,
		First: d.msg.StoredAt.UTC(), Last: c.bus.cfg.Now().UTC(), Worker: c.bus.cfg.Name,
	}
}

// bury stores a dead letter and waits for the confirmation. Its message id is
// that of the message it stands for: giving up twice leaves one letter.
func (b *Bus) bury(ctx context.Context, letter DeadLetter) error {
	body, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(b.names.Subjects().DeadOf(letter.Subject))
	msg.Header.Set(events.HeaderMsgID, fmt.Sprintf("%s:%d", letter.Stream, letter.Sequence))
	msg.Header.Set(events.HeaderContentType, "application/json")
	msg.Header.Set(events.HeaderReason, letter.Reason)
	msg.Data = body
	_, err = b.publish(ctx, msg, true)
	return b.explain(err)
}
