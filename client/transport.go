package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Client is an HTTP client that acts with the link's grant.
func (l *Link) Client() *http.Client { return &http.Client{Transport: l.Transport(nil)} }

// Transport puts the link's bearer into requests on their way to base; nil means
// http.DefaultTransport.
//
// A 401 that means a dead token (Config.Dead) is reported. If the request can be sent
// again, because it has no body or a GetBody, the next generation is waited for and
// the request sent once more; never a third time. If it cannot, or no token comes in
// time, the 401 is returned as it came. If there will be no token, the error is the
// *Error that says why, within the *url.Error of http.Client. A 403, and a 401 for
// want of scope, is the caller's.
//
// A redirect to another host, or to another scheme, goes there without the bearer.
func (l *Link) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{link: l, base: base}
}

type transport struct {
	link *Link
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if strayed(r) {
		return t.base.RoundTrip(r)
	}
	token, err := t.link.Token(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper's duty; nothing was read
		}
		return nil, err
	}
	resp, err := t.send(r, r.Body, token)
	if err != nil || !t.dead(resp) {
		return resp, err
	}
	return t.refused(r, resp, token)
}

// refused goes on from a 401 for a dead token. All of it is one span below the
// request's.
func (t *transport) refused(r *http.Request, resp *http.Response, token *Token) (_ *http.Response, err error) {
	ctx, end := t.start(r.Context(), "renew token", token)
	defer func() { end(failed(err)) }()
	next, err := t.renew(ctx, r, resp, token)
	if next == nil || err != nil {
		return resp401(resp, err)
	}
	return t.again(ctx, r, resp, next)
}

func (t *transport) start(ctx context.Context, name string, token *Token) (context.Context, func(failed string)) {
	return t.link.client.cfg.Tracing.start(ctx, Operation{Name: name, Address: t.link.address, Generation: token.Generation})
}

// send is one request with a token. The caller's request stays as it is, and the
// response refers to it, not to the one that has the bearer.
func (t *transport) send(r *http.Request, body io.ReadCloser, token *Token) (*http.Response, error) {
	sent := *r
	sent.Body = body
	sent.Header = r.Header.Clone()
	if sent.Header == nil {
		sent.Header = http.Header{}
	}
	sent.Header["Authorization"] = []string{token.authorization.Reveal()}
	resp, err := t.base.RoundTrip(&sent)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

func (t *transport) dead(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized && t.link.client.cfg.Dead(resp)
}

// renew reports the token that a request was refused with, and waits for the next
// one if that request can be sent again. Neither: the 401 is the answer.
func (t *transport) renew(ctx context.Context, r *http.Request, refused *http.Response, token *Token) (*Token, error) {
	code := bearerError(refused.Header)
	if !replayable(r) {
		_, err := t.link.refuse(ctx, token, code)
		return nil, err
	}
	next, err := t.link.Refused(ctx, token, code)
	if err != nil && errors.Is(err, ErrUnavailable) && r.Context().Err() == nil {
		t.link.client.cfg.Log.Warn("refused, and no new token in time", "tenant", t.link.address.Tenant,
			"provider", t.link.address.Provider, "link", t.link.address.Link, "generation", token.Generation, "error", err)
		return nil, nil
	}
	return next, err
}

// again sends the request once more. A token that is refused at once is reported
// too; waiting for a third is left to the next request.
func (t *transport) again(ctx context.Context, r *http.Request, refused *http.Response, token *Token) (*http.Response, error) {
	discard(refused) // its connection is the one to use
	body, err := fresh(r)
	if err != nil {
		return nil, err
	}
	resp, err := t.retry(ctx, r, body, token)
	if err == nil && t.dead(resp) {
		if _, err := t.link.refuse(ctx, token, bearerError(resp.Header)); err != nil {
			return resp401(resp, err)
		}
	}
	return resp, err
}

// retry sends under a span of its own, so that a base that traces puts its span below.
func (t *transport) retry(ctx context.Context, r *http.Request, body io.ReadCloser, token *Token) (*http.Response, error) {
	ctx, end := t.start(ctx, "retry", token)
	resp, err := t.send(r.WithContext(ctx), body, token)
	if resp != nil {
		resp.Request = r
	}
	end(failed(err))
	return resp, err
}

// resp401 is the refused response, or the error in its place.
func resp401(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		discard(resp)
		return nil, err
	}
	return resp, nil
}

// maxDiscard is what is read of a refused response, so that its connection can be
// used again.
const maxDiscard = 64 << 10

func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscard)
	_ = resp.Body.Close()
}

func replayable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// fresh is the request's body anew.
func fresh(r *http.Request) (io.ReadCloser, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, nil
	}
	return r.GetBody()
}

// strayed says that a request follows a redirect away from where its caller sent it,
// if only on a detour. http.Client takes an Authorization header off such a request;
// a transport that put it back would hand the bearer to whoever may write a Location.
func strayed(r *http.Request) bool {
	for r.Response != nil && r.Response.Request != nil {
		from := r.Response.Request
		if from.URL.Scheme != r.URL.Scheme || !strings.EqualFold(from.URL.Host, r.URL.Host) {
			return true
		}
		r = from
	}
	return false
}
