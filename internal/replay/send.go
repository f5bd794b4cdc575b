package replay

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/inbox"
)

// The headers of an output that is sent again, beside its own.
const (
	headerSequence = "Regrant-Replays"
	headerStored   = "Regrant-First-Stored"
)

// sendLimit bounds the wait for a server that does not answer.
const sendLimit = 20 * time.Second

// look looks at the streams of the account: the target must not be a subject of any cell
// among them, and what a stream takes, that stream confirms.
func (r *Replay) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	all := r.Bus.JetStream().ListStreams(ctx)
	for info := range all.Info() {
		if prefix, ok := cellOf(info.Config); ok && within(prefix, r.Selection.To) {
			return fmt.Errorf("%w: --to: %q belongs to the cell %s on this server, and others would receive it: name a subject of your own", ErrSelection, r.Selection.To, prefix)
		}
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("look at the streams, for whose the subject of --to is: %w; see that this user may ask for $JS.API.STREAM.LIST (`worker permissions --role operator`)", err)
	}
	takers := r.Bus.JetStream().ListStreams(ctx, jetstream.WithStreamListSubject(r.Selection.To))
	for range takers.Info() {
		r.kept = true
	}
	return takers.Err()
}

// cellOf is the prefix of the cell whose outputs a stream holds.
func cellOf(cfg jetstream.StreamConfig) (prefix string, ok bool) {
	if cfg.RePublish == nil {
		return "", false
	}
	prefix, ok = strings.CutSuffix(cfg.RePublish.Source, ".out.>")
	return prefix, ok && cfg.RePublish.Destination == prefix+".live.>"
}

func within(prefix, subject string) bool {
	return subject == prefix || strings.HasPrefix(subject, prefix+".")
}

// send sends an output to its one subscriber as it is.
func (r *Replay) send(ctx context.Context, m *inbox.Message) error {
	msg := &nats.Msg{Subject: r.Selection.To, Header: nats.Header{}, Data: m.Data}
	for name, values := range m.Header {
		msg.Header[name] = values
	}
	msg.Header.Set(headerSequence, strconv.FormatUint(m.Sequence, 10))
	msg.Header.Set(headerStored, m.StoredAt.UTC().Format(time.RFC3339Nano))
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	if r.kept {
		_, err := r.Bus.JetStream().PublishMsg(ctx, msg)
		return err
	}
	if err := r.Bus.Conn().PublishMsg(msg); err != nil {
		return err
	}
	return r.Bus.Conn().FlushWithContext(ctx)
}
