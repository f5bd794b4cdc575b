package providers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/regrant/regrant/secret"
)

// got is an answer of status 2xx, read to its end.
type got struct {
	header http.Header
	body   []byte
}

// get reads a resource with a bearer. The bearer goes to that address and nowhere
// else: no redirect is followed. Reading may be repeated, so ctx simply ends it.
// Its errors are EndpointErrors yet without names (see blame).
func (p *Provider) get(ctx context.Context, at *url.URL, bearer secret.Value) (got, error) {
	if bearer.IsZero() || !visible(bearer.Reveal()) {
		return got{}, &EndpointError{Reason: ReasonRefused, words: "there is no token to ask with"}
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return got{}, malformed("the address is no URL")
	}
	req.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	req.Header.Set("Accept", "application/json")
	res, err := (&http.Client{Transport: p.fetch, CheckRedirect: stay}).Do(req)
	if err != nil {
		return got{}, readError(err, connected.Load())
	}
	defer res.Body.Close()
	body, err := readCapped(res.Body)
	if err == nil {
		err = p.statusError(res.StatusCode, res.Header)
	}
	return got{header: res.Header, body: body}, err
}

// readError puts a failure into words. Once there is a connection the other side
// may know the bearer, and net/http quotes what it cannot parse: so a fixed list.
func readError(err error, connected bool) error {
	switch {
	case errors.Is(err, http.ErrContentLength):
		return malformed("the answer is longer than 1 MiB")
	case errors.Is(err, context.Canceled):
		return &EndpointError{Reason: ReasonUnreachable, words: "it was called off"}
	case connected:
		return &EndpointError{Reason: ReasonUnreachable, words: sentWords(err)}
	}
	return &EndpointError{Reason: ReasonUnreachable, words: unsentWords(err)}
}

// document is get, decoded.
func (p *Provider) document(ctx context.Context, at *url.URL, bearer secret.Value) (http.Header, any, error) {
	page, err := p.get(ctx, at, bearer)
	if err != nil {
		return nil, nil, err
	}
	doc, err := decode(page.body)
	return page.header, doc, err
}
