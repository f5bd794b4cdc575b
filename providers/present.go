package providers

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/secret"
)

// presentation is one thing to show to an authorization server, once: a refresh
// token, an authorization code, a token to revoke.
type presentation struct {
	where    string // the endpoint, in words
	style    AuthStyle
	deadline time.Time
	// shown are the secrets that the other side learns by it, besides the client's.
	shown []secret.Value
	// send makes the one request with the client in ctx (oauth2.HTTPClient).
	send  func(ctx context.Context, cfg oauth2.Config) error
	judge func(p *Profile, r *reply, f fields, readable bool) verdict
}

// noSecret is shown where the client proves itself otherwise.
var noSecret secret.Value

// present is the only place from which a credential leaves. It makes at most one
// request and never retries. Ending ctx calls the attempt off only while nothing
// has been sent; from the first byte on the answer is waited for until the
// deadline, because hanging up is how answers are lost.
func (p *Provider) present(ctx context.Context, what presentation) Outcome {
	now := p.opts.Clock()
	if ctx.Err() != nil {
		return p.notSent(errAborted)
	}
	if !now.Before(what.deadline) {
		return p.notSent(errLate)
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), what.deadline.Sub(now))
	defer cancel()
	a := &attempt{ctx: inner, deadline: what.deadline, clock: p.opts.Clock}
	defer context.AfterFunc(ctx, func() {
		if a.abort() {
			cancel()
		}
	})()
	return p.attempt(a, what, now)
}

func (p *Provider) notSent(why error) Outcome {
	return Outcome{Class: NotSent, Err: p.errorf("%w before it began", why)}
}

// attempt runs the attempt and judges what came of it.
func (p *Provider) attempt(a *attempt, what presentation, requestedAt time.Time) Outcome {
	key, which := p.secrets.current()
	x := &exchange{base: p.transport, attempt: a}
	shown := key
	switch what.style {
	case AuthPrivateKeyJWT:
		x.asserter, shown = p.asserter, noSecret
	case AuthMTLS, AuthNone:
		shown = noSecret
	}
	ctx := context.WithValue(a.ctx, attemptKey{}, a)
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: x, CheckRedirect: stay})
	// Everything is read from our copy of the reply; the error matters only where
	// there is no reply, and even then only its kind.
	err := what.send(ctx, oauth2.Config{
		ClientID: p.profile.ClientID, ClientSecret: shown.Reveal(),
		Endpoint: oauth2.Endpoint{TokenURL: p.profile.TokenURL, AuthStyle: what.style.oauth2()},
	})
	if x.seen == nil {
		return p.unanswered(a, err)
	}
	out, secretRefused := p.answered(x.seen, requestedAt, what, append(echoes{key}, what.shown...))
	out.Reach = a.reach()
	if secretRefused {
		p.secrets.refused(which)
	}
	return out
}

// unanswered judges an attempt without a reply by what the socket saw.
func (p *Provider) unanswered(a *attempt, err error) Outcome {
	if !a.sent() {
		return Outcome{Class: NotSent, Reach: a.reach(), Err: p.errorf("nothing was sent: %s", unsentWords(err))}
	}
	return Outcome{Class: Ambiguous, Reach: a.reach(), Err: p.errorf("no answer: %s", sentWords(err))}
}

// answered judges a reply, and says whether another client secret may be good.
func (p *Provider) answered(r *reply, requestedAt time.Time, what presentation, own echoes) (out Outcome, secretRefused bool) {
	f, readable := parse(r)
	v := what.judge(&p.profile, r, f, readable)
	out = Outcome{
		Class: v.class, Status: r.status, Code: own.clean(v.code),
		RetryAfter: retryAfter(r.header.Get("Retry-After"), p.opts.Clock()),
	}
	if readable && r.success() && (v.class == OK || v.class == Ambiguous) {
		out.Answer = p.candidate(f, v.class, requestedAt)
	}
	if v.class != OK {
		out.Err = p.errorf("the %s answered %s: %s", what.where, statusWords(r.status, out.Code), v.words)
	}
	return out, v.client && v.class == OurFault
}

// candidate returns the answer's tokens, or nil where an unusable answer holds
// no refresh token worth keeping.
func (p *Provider) candidate(f fields, c Class, requestedAt time.Time) *Answer {
	a := f.answer(&p.profile, requestedAt)
	if c != OK && a.RefreshToken.IsZero() {
		return nil
	}
	return a
}

func (s AuthStyle) oauth2() oauth2.AuthStyle {
	if s == AuthBasic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
