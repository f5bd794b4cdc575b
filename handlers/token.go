package handlers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// maxReaders bounds how many requests wait for a bearer at once in this process;
// each costs a goroutine and its message.
const maxReaders = 10_000

// readers are those who wait for a bearer.
type readers struct {
	waiting atomic.Int64
	shown   prometheus.Gauge
	leave   chan struct{} // closed: nobody waits any more
	once    sync.Once
}

// aside waits without the request's slot, or says that too many do already.
func (r *readers) aside(ctx context.Context, wait func()) (admitted bool) {
	defer r.waiting.Add(-1)
	if r.waiting.Add(1) > maxReaders {
		return false
	}
	r.shown.Inc()
	defer r.shown.Dec()
	inbox.Waiting(ctx, wait)
	return true
}

func (r *readers) left() bool {
	select {
	case <-r.leave:
		return true
	default:
		return false
	}
}

// StopWaiting answers everybody who waits for a bearer, now and from now on: the
// worker is about to stop. It may be called more than once.
func (h *Handlers) StopWaiting() { h.readers.once.Do(func() { close(h.readers.leave) }) }

// Token serves the bearer of a link, or waits for it as long as the request says.
// Nothing but the bearer of the record's current generation is ever served: what an
// attempt brought is not before its commit, after which its credential's
// predecessor is presented no more. That is what keeps links.UntilSuccessorUsed.
// Errors are *api.Error.
func (h *Handlers) Token(ctx context.Context, a events.Address, in api.Token) (api.Bearer, error) {
	out, err := h.token(ctx, a, in)
	h.noteRead(a, out, err)
	return out, err
}

func (h *Handlers) token(ctx context.Context, a events.Address, in api.Token) (api.Bearer, error) {
	if err := in.Validate(); err != nil {
		return api.Bearer{}, err
	}
	if h.Providers[a.Provider] == nil || !h.tenants[a.Tenant] {
		return api.Bearer{}, noSuchLink(a)
	}
	patience, cancel := context.WithTimeout(ctx, in.Patience())
	defer cancel()
	for {
		out, again, err := h.tryToken(ctx, patience, a, in.MinGeneration)
		if !again {
			return out, err
		}
	}
}

// tryToken seeks once. again means that there was no bearer, and that
// something may have changed since.
func (h *Handlers) tryToken(ctx, patience context.Context, a events.Address, least uint64) (out api.Bearer, again bool, err error) {
	news := h.known.news(a) // first: nothing announced from now on is missed
	defer h.known.forget(a, news)
	f, o, err := h.seek(ctx, a, least)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return out, false, noSuchLink(a)
	case err != nil:
		return out, false, h.notNow(a, err)
	case o.refusal == nil:
		out, err = h.bearer(f)
		return out, false, err
	case o.open && h.readers.left():
		return out, false, notHere(a, "this worker stops: ask again")
	case !o.open || patience.Err() != nil:
		return out, false, o.refusal
	}
	err = h.awaitToken(ctx, patience, a, news)
	return out, err == nil, err
}

// seek reads the link, and what it has to offer. Any follower may answer as long as
// there is a bearer to serve; a refusal is not given on the word of one that may lag.
func (h *Handlers) seek(ctx context.Context, a events.Address, least uint64) (*found, offer, error) {
	if f, o, err := h.seekAt(ctx, want{a, false}, least); err == nil && o.refusal == nil {
		return f, o, nil
	}
	return h.seekAt(ctx, want{a, true}, least)
}

func (h *Handlers) seekAt(ctx context.Context, w want, least uint64) (*found, offer, error) {
	aside := func(wait func()) {
		if !h.readers.aside(ctx, wait) {
			wait() // with the slot, so that no more are let in
		}
	}
	f, err := h.readings.share(w, aside, func(w want) (*found, error) { return h.readFor(ctx, w) })
	if err != nil {
		return nil, offer{}, err
	}
	return f, h.offer(f.Link, least), nil
}

// offer is offered, but for a record that is older than what was announced: its
// store was restored, and its bearer replaced long ago.
func (h *Handlers) offer(l links.Link, least uint64) offer {
	if known := h.known.of(l.Address).generation; l.Generation < known {
		e := api.Refuse(api.Uncertain, "the link's record is older than what was announced: was the store restored from a backup?")
		e.Link, e.Generation = l.Link, l.Generation
		return offer{refusal: e, open: true}
	}
	var app apps.App
	if h.Apps != nil {
		app, _ = h.Apps.App(h.Providers[l.Provider].Profile().AppOf(l.Provider))
	}
	return offered(l, least, app, h.Budget.Probe, h.Clock())
}

// awaitToken waits, without a slot, for news of the link, for the end of the
// request's patience, or for that of the worker: the link is looked at once more in
// each case.
func (h *Handlers) awaitToken(ctx, patience context.Context, a events.Address, n *news) error {
	admitted := h.readers.aside(ctx, func() {
		select {
		case <-n.stored:
		case <-patience.Done():
		case <-h.readers.leave:
		}
	})
	if !admitted {
		return notHere(a, "too many wait at this worker: ask again")
	}
	return nil
}

// notHere sends the asker to another worker, or to this one later.
func notHere(a events.Address, why string) error {
	return &api.Error{Code: api.Unavailable, Message: why, Link: a.Link}
}

// bearer is the reply that serves a link's current generation.
func (h *Handlers) bearer(f *found) (api.Bearer, error) {
	l := f.Link
	t, err := f.tokens()
	if err != nil {
		return api.Bearer{}, h.notNow(l.Address, err)
	}
	b := h.bearerOf(l.Provider, t)
	if b.IsZero() {
		return api.Bearer{}, h.notNow(l.Address, errors.New("the link's tokens lack what its profile calls the bearer: was `bearer` changed? report the bearer to have another one made"))
	}
	return api.Bearer{
		AccessToken: api.Secret(b.Reveal()), TokenType: tokenType(t), Generation: l.Generation, Consent: l.Consent,
		ExpiresAt: l.ExpiresAt.UTC(), Scopes: l.Scopes, Fingerprint: b.Fingerprint(), Status: string(l.Status),
	}, nil
}

// bearerOf is the token of a set that services send.
func (h *Handlers) bearerOf(provider string, t links.Tokens) secret.Value {
	return h.Providers[provider].Bearer(&providers.Answer{AccessToken: t.Access, IDToken: t.ID})
}

// tokenType is RFC 6750's where the provider named none.
func tokenType(t links.Tokens) string {
	if t.Type == "" {
		return "Bearer"
	}
	return t.Type
}

func noSuchLink(a events.Address) error {
	return &api.Error{Code: api.NotFound, Message: "there is no such link", Link: a.Link}
}

// noteRead notes every request for a bearer before its answer leaves. Who asked, NATS
// does not tell.
func (h *Handlers) noteRead(a events.Address, b api.Bearer, err error) {
	outcome, log := audit.Served, h.logger(a)
	entry := audit.Entry{Action: audit.TokenRead, Fingerprint: b.Fingerprint, Generation: b.Generation}
	if e := (*api.Error)(nil); errors.As(err, &e) {
		outcome, entry.Generation = string(e.Code), e.Generation
		log.Info("token refused", "code", outcome, "generation", e.Generation)
	} else {
		log.Info("token read", "generation", b.Generation, "fingerprint", b.Fingerprint, "status", b.Status)
	}
	entry.Outcome = outcome
	h.tell(a, entry)
	provider := a.Provider
	if h.Providers[provider] == nil {
		provider = "unknown" // not ours to make labels of
	}
	h.Metrics.Reads.WithLabelValues(provider, outcome).Inc()
}
