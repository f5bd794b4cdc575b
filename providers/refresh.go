package providers

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// Refresh presents a refresh token once (RFC 6749, 6). It makes at most one
// request and never retries. Ending ctx calls the attempt off only while nothing
// has been sent; from the first byte on the answer is waited for until the
// deadline, because hanging up is how answers are lost.
func (p *Provider) Refresh(ctx context.Context, r Request) Outcome {
	now := p.opts.Clock()
	if r.Deadline.IsZero() {
		r.Deadline = now.Add(p.Deadline())
	}
	if r.RefreshToken.IsZero() {
		return Outcome{Class: NotSent, Err: p.errorf("there is no refresh token to present")}
	}
	if ctx.Err() != nil {
		return Outcome{Class: NotSent, Err: p.errorf("%w before it began", errAborted)}
	}
	if !now.Before(r.Deadline) {
		return Outcome{Class: NotSent, Err: p.errorf("%w before it began", errLate)}
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Deadline.Sub(now))
	defer cancel()
	a := &attempt{ctx: inner, deadline: r.Deadline, clock: p.opts.Clock}
	defer context.AfterFunc(ctx, func() {
		if a.abort() {
			cancel()
		}
	})()
	return p.present(a, r, now)
}

// present runs the attempt and judges what came of it.
func (p *Provider) present(a *attempt, r Request, requestedAt time.Time) Outcome {
	key, which := p.secrets.current()
	x := &exchange{base: p.transport, attempt: a}
	ctx := context.WithValue(a.ctx, attemptKey{}, a)
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: x, CheckRedirect: stay})
	cfg := oauth2.Config{
		ClientID: p.profile.ClientID, ClientSecret: key.Reveal(),
		Endpoint: oauth2.Endpoint{TokenURL: p.profile.TokenURL, AuthStyle: p.profile.AuthStyle.oauth2()},
	}
	// The token is read from our copy of the reply; the error matters only where
	// there is no reply, and even then only its kind.
	_, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: r.RefreshToken.Reveal()}).Token()
	if x.seen == nil {
		return p.unanswered(a, err)
	}
	out := p.answered(x.seen, requestedAt, echoes{r.RefreshToken, key})
	out.Reach = a.reach()
	if out.Class == OurFault && out.Code == codeInvalidClient {
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

// answered judges a reply.
func (p *Provider) answered(r *reply, requestedAt time.Time, own echoes) Outcome {
	f, readable := parse(r)
	v := judge(&p.profile, r, f, readable)
	out := Outcome{
		Class: v.class, Status: r.status, Code: own.clean(v.code),
		RetryAfter: retryAfter(r.header.Get("Retry-After"), p.opts.Clock()),
	}
	if readable && r.success() && (v.class == OK || v.class == Ambiguous) {
		out.Answer = p.candidate(f, v.class, requestedAt)
	}
	if v.class != OK {
		out.Err = p.errorf("the token endpoint answered %s: %s", statusWords(r.status, out.Code), v.words)
	}
	return out
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
