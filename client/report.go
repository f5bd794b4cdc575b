package client

import (
	"context"
	"errors"
	"regexp"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// report tells the workers of a bearer, once per reason and generation for as long
// as the server would drop a repetition. It does not wait: whoever needs the next
// generation asks for it, and that may come of another process's report.
func (c *Client) report(ctx context.Context, e *entry, d events.TokenExpired) {
	if !e.mayReport(d.Reason, d.Generation, c.cfg.Now()) {
		return
	}
	ctx, end := c.cfg.Tracing.start(ctx, Operation{Name: "send token-expired", Kind: KindSend, Address: d.Address, Generation: d.Generation})
	trace := events.Trace{Traceparent: c.cfg.Tracing.inject(ctx)}
	began := c.spawn(func() {
		err := c.publish(d, trace)
		if err != nil {
			c.unstored(e, d, err)
		}
		end(failed(err))
	})
	if !began {
		end(failed(ErrClosed))
	}
}

// unstored lets the next caller report. One that is not permitted to is not asked to
// for a while: it waits for what others report.
func (c *Client) unstored(e *entry, d events.TokenExpired, err error) {
	log := c.cfg.Log.With("tenant", d.Tenant, "provider", d.Provider, "link", d.Link, "generation", d.Generation, "reason", d.Reason)
	if errors.Is(err, bus.ErrNotPermitted) {
		log.Error("these credentials may not report: dead bearers wait for somebody else's report", "error", err)
		return
	}
	e.unreported(d.Reason, d.Generation)
	log.Warn("report not stored", "error", err)
}

func (c *Client) publish(d events.TokenExpired, trace events.Trace) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Wait)
	defer cancel()
	e, err := events.NewInput("//"+c.cfg.Name, ulid.Make().String(), c.cfg.Now(), trace, d)
	if err != nil {
		return err
	}
	m, err := c.subjects.InputMessage(e)
	if err != nil {
		return err
	}
	return c.bus.PublishInput(ctx, m)
}

// codeForm is what an event takes for an API's error code.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// word is an API's error code as an event may carry it. Anything else was made up by
// the API, and might be anything.
func word(code string) string {
	if !codeForm.MatchString(code) {
		return ""
	}
	return code
}
