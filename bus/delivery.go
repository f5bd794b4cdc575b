package bus

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/inbox"
)

// delivery is one message in our hands.
type delivery struct {
	raw *nats.Msg
	msg inbox.Message
	one *one // set if One asked for it
}

var errNoDelivery = errors.New("the reply subject is not that of a consumer's delivery")

// read makes d the delivery that raw is. It allocates nothing: most messages of a
// storm are settled at a look.
func (d *delivery) read(raw *nats.Msg) error {
	words, ok := ackWords(raw.Reply)
	if !ok {
		return errNoDelivery
	}
	delivered, err1 := strconv.ParseUint(words[ackDelivered], 10, 64)
	sequence, err2 := strconv.ParseUint(words[ackSequence], 10, 64)
	stored, err3 := strconv.ParseInt(words[ackStored], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return errNoDelivery
	}
	*d = delivery{raw: raw, msg: inbox.Message{
		Subject: raw.Subject, Header: raw.Header, Data: raw.Data,
		Stream: words[ackStream], Sequence: sequence, StoredAt: time.Unix(0, stored), Delivered: delivered,
	}}
	return nil
}

func (d *delivery) respond(body []byte) error { return d.raw.Respond(body) }

// The words of a delivery's reply subject, after those that name a domain and an
// account: stream, consumer, deliveries, sequence in the stream, sequence of the
// consumer, time of storing in Unix nanoseconds, messages pending. A token may follow.
const (
	ackStream    = 0
	ackDelivered = 2
	ackSequence  = 3
	ackStored    = 5
	ackShort     = 7 // words of the form without domain and account
)

// ackWords splits a delivery's reply subject, which is ADR-15's in either form.
func ackWords(reply string) (words [ackShort]string, ok bool) {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return words, false
	}
	switch n := strings.Count(rest, ".") + 1; {
	case n > ackShort+1:
		_, rest, _ = strings.Cut(rest, ".")
		_, rest, _ = strings.Cut(rest, ".")
	case n != ackShort:
		return words, false
	}
	for i := range words {
		words[i], rest, _ = strings.Cut(rest, ".")
	}
	return words, true
}
