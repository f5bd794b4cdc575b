package client

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

// ask puts one request to the workers. The error is an *Error, but for that of ctx.
func (c *Client) ask(ctx context.Context, a events.Address, floor uint64) (*Token, error) {
	wait := c.patience(ctx, floor)
	ctx, cancel := context.WithTimeout(ctx, wait+slack)
	defer cancel()
	var b api.Bearer
	in := api.Token{MinGeneration: floor, Wait: wait.Seconds()}
	if err := c.bus.Request(ctx, c.subjects.APILink(a, api.VerbToken), in, &b); err != nil {
		return nil, c.failure(a, err)
	}
	switch {
	case b.AccessToken == "":
		return nil, c.failure(a, api.Refuse(api.Unavailable, "the worker's reply has no token: is its version another one?"))
	case b.Generation < floor:
		return nil, c.failure(a, api.Refuse(api.Pending, "the worker has generation %d only", b.Generation))
	}
	return token(b), nil
}

// patience is how long a worker may hold the request: a slice, or what is left of
// ctx without the time that the reply takes. Who knows of no generation does not
// wait: a bearer that has ended may be nobody's to report but ours.
func (c *Client) patience(ctx context.Context, floor uint64) time.Duration {
	if floor == 0 {
		return 0
	}
	wait := slice
	if ends, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(ends)*9/10)
	}
	return max(wait, 0)
}

func token(b api.Bearer) *Token {
	return &Token{
		Bearer: secret.New(string(b.AccessToken)), Type: b.TokenType, Generation: b.Generation, Consent: b.Consent,
		ExpiresAt: b.ExpiresAt, Scopes: b.Scopes, Fingerprint: b.Fingerprint, Status: b.Status,
		authorization: secret.New("Bearer " + string(b.AccessToken)),
	}
}

// failure makes an *Error of what a request ended with.
func (c *Client) failure(a events.Address, err error) error {
	var refused *api.Error
	var bad *events.Invalid
	switch {
	case errors.As(err, &refused):
		e := &Error{Address: a, Code: refused.Code, Message: refused.Message, Nickname: refused.Nickname, By: refused.By, Generation: refused.Generation}
		if refused.RetryAfter > 0 {
			e.Until = c.cfg.Now().Add(time.Duration(refused.RetryAfter * float64(time.Second)))
		}
		return e
	case errors.As(err, &bad):
		return &Error{Address: a, Code: api.Invalid, Message: bad.Field + " is no such name"}
	}
	return &Error{Address: a, Code: api.Unavailable, Message: err.Error()}
}
