package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
)

const (
	// slice is how long one request waits at a worker. Longer waits are made of
	// several: a worker that dies takes the request with it.
	slice = 2500 * time.Millisecond
	// slack is how much longer than slice its reply may take.
	slack = 1500 * time.Millisecond
	// retryPause is between two requests of which the first found nobody to answer.
	retryPause = 100 * time.Millisecond
)

// flight is one question for a link's bearer, shared by all who wait for it.
type flight struct {
	floor uint64 // of the entry, when it began
	done  chan struct{}
	// token or err, once done.
	token *Token
	err   error
}

// await joins the flight for a link, or begins one, and waits for its end.
func (c *Client) await(ctx context.Context, e *entry) (_ *Token, err error) {
	ctx, end := c.cfg.Tracing.start(ctx, Operation{Name: "await token", Address: e.address})
	defer func() { end(failed(err)) }()
	f := c.join(ctx, e)
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("token of %s: %w", e.address, context.Cause(ctx))
	}
}

// join is the flight that asks for what the entry needs, begun if there is none. What
// it reports on the way belongs to the trace of whoever began it.
func (c *Client) join(ctx context.Context, e *entry) *flight {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil && c.cfg.Now().Before(e.failedUntil) {
		return landed(e.failed)
	}
	if e.flight != nil && e.flight.floor >= e.floor {
		return e.flight
	}
	f := &flight{floor: e.floor, done: make(chan struct{})}
	traceparent := c.cfg.Tracing.inject(ctx)
	if !c.spawn(func() { c.fly(e, f, traceparent) }) {
		return landed(ErrClosed)
	}
	e.flight = f
	return f
}

// landed is a flight that is over.
func landed(err error) *flight {
	f := &flight{err: err, done: make(chan struct{})}
	close(f.done)
	return f
}

// fly asks until there is an answer or Wait is over. Whoever began it may have left.
func (c *Client) fly(e *entry, f *flight, traceparent string) {
	ctx, cancel := context.WithTimeout(c.cfg.Tracing.extract(c.ctx, traceparent), c.cfg.Wait)
	defer cancel()
	defer close(f.done)
	c.feed.want(e.address) // first: what is announced from now on is not missed
	f.token, f.err = c.fetch(ctx, e, f.floor)
	e.land(f, c.cfg.Margin, c.cfg.Now())
}

// land keeps what a flight brought, unless it was overtaken.
func (e *entry) land(f *flight, margin time.Duration, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flight != f {
		return
	}
	e.flight = nil
	if f.err != nil {
		if final(f.err) {
			e.failed, e.failedUntil = f.err, now.Add(recheck)
		}
		return
	}
	e.failed = nil
	if f.token.Generation >= e.floor && !e.gone.Load() {
		e.kept.Store(keep(f.token, margin, f.token.Generation < e.announced, now))
	}
}

// fetch asks for a bearer of floor's generation or a later one until there is one,
// there cannot be one, or ctx ends. The error is an *Error or ErrClosed.
func (c *Client) fetch(ctx context.Context, e *entry, floor uint64) (*Token, error) {
	for {
		t, err := c.ask(ctx, e.address, floor)
		if err == nil || final(err) {
			return t, err
		}
		if generation := ended(err); generation > 0 && generation >= floor {
			c.report(ctx, e, events.TokenExpired{Address: e.address, Generation: generation, Reason: events.ReasonExpired})
			floor = generation + 1
			continue
		}
		timer := time.NewTimer(retryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, c.givenUp(ctx, e.address, err)
		}
	}
}

// ended is the generation, if any, whose bearer a worker has and does not serve,
// because it has ended: a service that has just started knows of none, and nobody
// else may be about to report it.
func ended(err error) uint64 {
	if why := (*Error)(nil); errors.As(err, &why) && why.Code == api.Pending {
		return why.Generation
	}
	return 0
}

// givenUp says why a flight ended without an answer; last is what it heard last.
func (c *Client) givenUp(ctx context.Context, a events.Address, last error) error {
	if errors.Is(context.Cause(ctx), ErrClosed) {
		return fmt.Errorf("token of %s: %w", a, ErrClosed)
	}
	e := &Error{Address: a, Code: api.Unavailable, Message: fmt.Sprintf("none within %v", c.cfg.Wait)}
	if was := (*Error)(nil); errors.As(last, &was) {
		e.Message += ": " + was.Message
	}
	return e
}
