package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// ErrUnconfirmed means that nobody knows whether a message was stored: the
// context ended before the server confirmed. Publishing it again is safe.
var ErrUnconfirmed = errors.New("not confirmed by NATS")

// ErrUnknownProvider means that the cell accepts no inputs for the provider.
var ErrUnknownProvider = errors.New("provider not known to this cell")

// The server's error codes that need an answer of their own.
const (
	codeWrongSequence         jetstream.ErrorCode = 10071 // another message came first
	codeWrongSequenceConstant jetstream.ErrorCode = 10164 // the same, from a replicated stream
	codeMsgIDInProcess        jetstream.ErrorCode = 10158 // the same message id is being stored now
	statusTemporary                               = 503   // no leader, shutting down
)

// PublishOutput stores an output and returns when that is confirmed. A
// repetition that the server recognised counts as stored. While the outcome is
// unknown it repeats, under the same message id, until ctx ends: then the error
// is ErrUnconfirmed.
func (b *Bus) PublishOutput(ctx context.Context, m events.Message) error {
	if _, err := b.publish(ctx, natsMsg(m), true); err != nil {
		return fmt.Errorf("publish %s: %w", m.Subject, b.explain(err))
	}
	return nil
}

// PublishInput is PublishOutput for inputs. One for a provider that the cell
// does not serve fails at once with ErrUnknownProvider; where these credentials may
// not ask which it serves, once no election can be the reason any more that nobody
// takes it.
func (b *Bus) PublishInput(ctx context.Context, m events.Message) error {
	_, err := b.StoreInput(ctx, m)
	return err
}

// StoreInput is PublishInput for who wants to know where the input lies: the
// sequence that a dead letter of it would name.
func (b *Bus) StoreInput(ctx context.Context, m events.Message) (sequence uint64, err error) {
	ack, err := b.publish(ctx, natsMsg(m), false)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		if err = b.whyUnheard(ctx, m.Subject); err == nil {
			ack, err = b.publish(ctx, natsMsg(m), true) // accepted in principle: the stream had no leader
		} else if leaderless(err) {
			ack, err = b.outlast(ctx, natsMsg(m))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("publish %s: %w", m.Subject, b.explain(err))
	}
	return ack.Sequence, nil
}

// outlast publishes what no stream has taken, nobody said why, until an election
// would be over.
func (b *Bus) outlast(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	limit, cancel := context.WithTimeout(ctx, electionFor)
	defer cancel()
	ack, err := b.publish(limit, msg, true)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		err = fmt.Errorf("%w: see that the provider is configured, `worker provision` was run since, and the stream has a leader", err)
	}
	return ack, err
}

// whyUnheard explains that no stream took a subject; nil means that one should have.
func (b *Bus) whyUnheard(ctx context.Context, subject string) error {
	address, _, err := b.names.Subjects().ParseIn(subject)
	if err != nil {
		return err
	}
	known, err := b.Providers(ctx)
	if err != nil {
		return errors.Join(jetstream.ErrNoStreamResponse, err)
	}
	if slices.Contains(known, address.Provider) {
		return nil
	}
	return fmt.Errorf("%w: %s; known: %s. Use one of these, or configure it and %s",
		ErrUnknownProvider, address.Provider, strings.Join(known, ", "), remedy)
}

// LastOutput is the number (Regrant-Sequence) of the link's event that was
// stored last, 0 if none is. On a replicated stream the answer may lag: it may
// miss an event that is stored, never name one that is not.
func (b *Bus) LastOutput(ctx context.Context, a events.Address) (uint64, error) {
	_, number, err := b.Announced(ctx, a)
	return number, err
}

// Announced is the generation that the link's last stored event named, and that
// event's number, as LastOutput tells it. 0 where there is none.
func (b *Bus) Announced(ctx context.Context, a events.Address) (generation, number uint64, err error) {
	msg, err := b.last(ctx, b.names.Out(), b.names.Subjects().OutOf(a))
	if err != nil || msg == nil {
		return 0, 0, err
	}
	number, err = strconv.ParseUint(msg.Header.Get(events.HeaderSequence), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("stored event %d of %s has no readable %s", msg.Sequence, b.names.Out(), events.HeaderSequence)
	}
	generation, _ = events.GenerationOf(msg.Header)
	return generation, number, nil
}

// publish repeats one message until its fate is known or ctx ends. insist says
// that a stream for the subject is known to exist: then no answer is worth waiting on.
func (b *Bus) publish(ctx context.Context, msg *nats.Msg, insist bool) (*jetstream.PubAck, error) {
	for {
		ack, err := b.publishOnce(ctx, msg)
		if err == nil || final(err) || (errors.Is(err, jetstream.ErrNoStreamResponse) && !insist) {
			return ack, err
		}
		if ctxErr := b.pause(ctx); ctxErr != nil {
			return nil, fmt.Errorf("%w: %w (last: %w)", ErrUnconfirmed, ctxErr, err)
		}
	}
}

func (b *Bus) publishOnce(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Budget.Heartbeat)
	defer cancel()
	ctx, end := b.refusals.watch(ctx, msg.Subject)
	defer end()
	ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	if no := refused(ctx); err != nil && no != nil {
		return nil, no
	}
	return ack, err
}

// final tells errors that repeating cannot cure, and that mean "not stored".
func final(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code != statusTemporary && api.ErrorCode != codeMsgIDInProcess
	}
	for _, each := range []error{nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrMaxPayload, nats.ErrBadSubject, ErrNotPermitted} {
		if errors.Is(err, each) {
			return true
		}
	}
	return false
}

// sequenceConflict tells that the subject's last message was not the expected one.
func sequenceConflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == codeWrongSequence || api.ErrorCode == codeWrongSequenceConstant)
}

// pause waits a little before a repetition; while disconnected, until the
// connection is back.
func (b *Bus) pause(ctx context.Context) error {
	back := b.comeback()
	if b.conn.IsConnected() {
		timer := time.NewTimer(b.cfg.Budget.Heartbeat / 20)
		defer timer.Stop()
		select {
		case <-timer.C:
			return ctx.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case <-back:
		return ctx.Err()
	case <-b.closed:
		return nats.ErrConnectionClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// last reads the last message of a subject, or nil. The subject may have wildcards.
func (b *Bus) last(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	handle, err := b.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	msg, err := handle.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("last message of %s: %w", subject, b.explain(err))
	}
	return msg, nil
}

// stream returns a handle, asking the server for it only once.
func (b *Bus) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if handle, ok := b.handles.Load(name); ok {
		return handle.(jetstream.Stream), nil
	}
	handle, err := b.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, b.explain(err))
	}
	b.handles.Store(name, handle)
	return handle, nil
}

func natsMsg(m events.Message) *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Header: nats.Header(m.Header), Data: m.Data}
}
