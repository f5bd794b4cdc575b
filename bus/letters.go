package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// ErrNoLetter means that no dead letter has this number, or none any more.
var ErrNoLetter = errors.New("no such dead letter")

// ErrAgedOut means that the message which a letter stands for is kept no longer.
var ErrAgedOut = errors.New("the original is not stored any more")

// Letter is a dead letter where it lies. Number is its sequence in the stream of dead
// letters, by which operators name it.
type Letter struct {
	Number uint64 `json:"number"`
	DeadLetter
}

// About names the link that a letter is about and the event that died; of a timer's,
// the name is "due". Both are empty where the subject says neither.
func (n Names) About(l DeadLetter) (events.Address, events.Name) {
	s := n.Subjects()
	if a, name, err := s.ParseIn(l.Subject); err == nil {
		return a, name
	}
	if a, name, err := s.ParseOut(l.Subject); err == nil {
		return a, name
	}
	if a, err := s.ParseDue(l.Subject); err == nil {
		return a, "due"
	}
	return events.Address{}, ""
}

// Letters calls see for each dead letter that is stored now, the oldest first. What
// lies there and is no letter is logged and left out.
func (b *Bus) Letters(ctx context.Context, see func(Letter) error) error {
	return b.Watch(ctx, WatchSpec{Stream: b.names.Dead(), Stored: true}, func(m *inbox.Message) error {
		l, err := b.readLetter(m.Subject, m.Sequence, m.Data)
		if err != nil {
			b.log.Warn("not a dead letter", "subject", m.Subject, "number", m.Sequence)
			return nil
		}
		return see(l)
	})
}

// Letter returns one dead letter, or ErrNoLetter.
func (b *Bus) Letter(ctx context.Context, number uint64) (Letter, error) {
	msg, err := b.stored(ctx, b.names.Dead(), number)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Letter{}, fmt.Errorf("%w: number %d of %s", ErrNoLetter, number, b.names.Dead())
	}
	if err != nil {
		return Letter{}, err
	}
	return b.readLetter(msg.Subject, number, msg.Data)
}

// readLetter holds a letter against the subject that it lies on: who may publish letters
// of outputs has no say about inputs.
func (b *Bus) readLetter(subject string, number uint64, body []byte) (Letter, error) {
	l := Letter{Number: number}
	if json.Unmarshal(body, &l.DeadLetter) != nil || l.Sequence == 0 || subject != b.names.Subjects().DeadOf(l.Subject) {
		return l, fmt.Errorf("%w: what number %d holds is none", ErrNoLetter, number)
	}
	return l, nil
}

// Original returns the message that a letter stands for, or ErrAgedOut. A stream that
// was made anew has another message at its place; that counts as aged out.
func (b *Bus) Original(ctx context.Context, l DeadLetter) (*inbox.Message, error) {
	if l.Stream != b.names.In() && l.Stream != b.names.Out() && l.Stream != b.names.Timer() {
		return nil, fmt.Errorf("the letter names the stream %q, which is none of this cell", l.Stream)
	}
	msg, err := b.stored(ctx, l.Stream, l.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && msg.Subject != l.Subject {
		return nil, fmt.Errorf("%w: number %d of %s", ErrAgedOut, l.Sequence, l.Stream)
	}
	if err != nil {
		return nil, err
	}
	return &inbox.Message{Subject: msg.Subject, Header: msg.Header, Data: msg.Data, Stream: l.Stream, Sequence: msg.Sequence, StoredAt: msg.Time}, nil
}

// DropLetter deletes a dead letter. One that is gone already is no error.
func (b *Bus) DropLetter(ctx context.Context, number uint64) error {
	stream, err := b.stream(ctx, b.names.Dead())
	if err != nil {
		return err
	}
	if err = stream.DeleteMsg(ctx, number); err == nil {
		return nil
	}
	if _, again := stream.GetMsg(ctx, number); errors.Is(again, jetstream.ErrMsgNotFound) {
		return nil // the error names this in words alone
	}
	return fmt.Errorf("drop dead letter %d: %w", number, b.explain(err))
}

// stored reads one message by its sequence.
func (b *Bus) stored(ctx context.Context, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	handle, err := b.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	msg, err := handle.GetMsg(ctx, sequence)
	if err != nil {
		return nil, fmt.Errorf("read number %d of %s: %w", sequence, stream, b.explain(err))
	}
	return msg, nil
}
