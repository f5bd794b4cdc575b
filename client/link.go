package client

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/events"
)

// Link serves one link's bearer. It is safe for concurrent use.
type Link struct {
	client  *Client
	address events.Address
	// held is the entry that was used last.
	held atomic.Pointer[entry]
}

// Address names the link.
func (l *Link) Address() events.Address { return l.address }

// Token is the link's current bearer: from memory, else from a worker. It waits
// until ctx ends, or for Config.Wait. The error is an *Error, the cause of ctx's
// end, or ErrClosed.
//
// A bearer that is about to expire is reported on the way, and served.
func (l *Link) Token(ctx context.Context) (*Token, error) {
	if e := l.held.Load(); e != nil {
		if kept := e.kept.Load(); kept != nil && l.client.cfg.Now().UnixNano() < kept.look {
			return kept.token, nil
		}
	}
	return l.look(ctx)
}

// look is Token where something is to be thought about.
func (l *Link) look(ctx context.Context) (*Token, error) {
	e, err := l.entry()
	if err != nil {
		return nil, err
	}
	do := e.judge(l.client.cfg.Now())
	if do.report != "" {
		l.client.report(ctx, e, events.TokenExpired{Address: l.address, Generation: do.generation, Reason: do.report})
	}
	if do.ask {
		l.client.join(ctx, e)
	}
	if do.serve != nil {
		return do.serve, nil
	}
	return l.client.await(ctx, e)
}

// Refused says that an API does not take a token, reports that, and returns the
// next generation as Token does. Where there is one already, it is returned and
// nothing is reported. It is for callers without Transport. errorCode is the error
// of the API's WWW-Authenticate header (RFC 6750 section 3.1), or empty.
func (l *Link) Refused(ctx context.Context, t *Token, errorCode string) (*Token, error) {
	newer, err := l.refuse(ctx, t, errorCode)
	if newer != nil || err != nil {
		return newer, err
	}
	e, err := l.entry()
	if err != nil {
		return nil, err
	}
	return l.client.await(ctx, e)
}

// refuse takes a dead token out of service and reports it, without waiting. It
// returns the successor where that is here already.
func (l *Link) refuse(ctx context.Context, t *Token, errorCode string) (*Token, error) {
	e, err := l.entry()
	if err != nil {
		return nil, err
	}
	if newer := e.refuse(t.Generation); newer != nil {
		return newer, nil
	}
	l.client.report(ctx, e, events.TokenExpired{
		Address: l.address, Generation: t.Generation, Reason: events.ReasonUnauthorized,
		Status: http.StatusUnauthorized, Error: word(errorCode),
	})
	return nil, nil
}

// entry is the link's state. An entry that was given up for another link's sake is
// looked up, or made, anew.
func (l *Link) entry() (*entry, error) {
	if e := l.held.Load(); e != nil && !e.gone.Load() {
		return e, nil
	}
	if err := l.address.Validate(); err != nil {
		return nil, l.client.failure(l.address, err)
	}
	e := l.client.table.entry(l.address)
	l.held.Store(e)
	return e, nil
}

// TokenSource serves code that takes one. It waits under ctx. It knows nothing of
// 401s: tell it of them by Refused, or use Transport.
//
// Its tokens claim to end within seconds. Many libraries keep a token until it has
// ended (oauth2.ReuseTokenSource), whatever becomes of the link; these ask again after
// one second, which costs nothing.
func (l *Link) TokenSource(ctx context.Context) oauth2.TokenSource { return tokenSource{ctx, l} }

// reuse is one second more than what package oauth2 takes off an expiry.
const reuse = 11 * time.Second

type tokenSource struct {
	ctx  context.Context
	link *Link
}

func (s tokenSource) Token() (*oauth2.Token, error) {
	t, err := s.link.Token(s.ctx)
	if err != nil {
		return nil, err
	}
	out := t.OAuth2()
	if soon := time.Now().Add(reuse); out.Expiry.IsZero() || soon.Before(out.Expiry) {
		out.Expiry = soon
	}
	return out, nil
}
