package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// provider rotates refresh tokens and revokes the whole family when one comes
// back outside what its rule tolerates. That must never happen: it is what the
// procedure exists to prevent.
type provider struct {
	w             *world
	grants        map[string]*grant // by refresh token
	byAccess      map[string]*grant
	presentations int
	others        []providers.Request // presentations of other credentials
	revoked       bool
	// answers scripts the next presentations; then all is well.
	answers []providers.Class
	hostile map[string]bool // access tokens that name somebody else
	down    bool            // the keys to verify are not reachable
	panics  bool            // verifying hits a defect
}

// grant is one refresh token and the bearer that came with it.
type grant struct {
	refresh, access string
	spentAt         time.Time
	parent          *grant // nil: it came of another credential
	children        []*grant
	shown           int // how often the refresh token was presented
	used            bool
}

func newProvider(w *world) *provider {
	return &provider{w: w, grants: map[string]*grant{}, byAccess: map[string]*grant{}, hostile: map[string]bool{}}
}

func (p *provider) issue(parent *grant) *grant {
	n := len(p.grants)
	g := &grant{refresh: fmt.Sprintf("%s-refresh-%d", canary, n), access: fmt.Sprintf("%s-access-%d", canary, n)}
	p.grants[g.refresh], p.byAccess[g.access] = g, g
	if g.parent = parent; parent != nil {
		parent.children = append(parent.children, g)
	}
	return g
}

// present is the token endpoint.
func (p *provider) present(refresh string) *grant {
	p.presentations++
	g := p.grants[refresh]
	g.shown++
	if p.revoked {
		return nil
	}
	if !g.spentAt.IsZero() && !p.tolerates(g) {
		p.revoked = true
		if p.w.rules.LastChance && g.shown == 2 {
			return nil
		}
		p.w.t.Errorf("refresh token of serial %s was presented %d times: its family is revoked", refresh[len(canary):], g.shown)
		return nil
	}
	if g.spentAt.IsZero() {
		g.spentAt = time.Now()
	}
	return p.issue(g)
}

// shown is a presentation of whatever the request's grant is.
func (p *provider) shown(r providers.Request) *grant {
	if r.Grant == providers.GrantRefreshToken {
		return p.present(r.RefreshToken.Reveal())
	}
	p.others = append(p.others, r)
	return p.issue(nil)
}

func (p *provider) tolerates(g *grant) bool {
	rule := p.w.rules.Replay
	inside := !time.Now().After(g.spentAt.Add(rule.Window))
	switch rule.Kind {
	case providers.ReplaySafe:
		return true
	case providers.ReplayGrace:
		return inside && !g.childWas(func(c *grant) bool { return !c.spentAt.IsZero() })
	case providers.ReplayUntilSuccessorUsed:
		return inside && !g.childWas(func(c *grant) bool { return c.used || !c.spentAt.IsZero() })
	default:
		return false
	}
}

func (g *grant) childWas(is func(*grant) bool) bool {
	for _, c := range g.children {
		if is(c) {
			return true
		}
	}
	return false
}

// tokens are those of the record.
func (p *provider) tokens(l links.Link) *grant { return p.grants[p.opened(l).Refresh.Reveal()] }

func (p *provider) opened(l links.Link) links.Tokens {
	clear, err := p.w.keys.Open(seal.Binding{
		Kind: "tokens", Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: l.Consent, Generation: l.Generation,
	}, l.Sealed)
	if err != nil {
		p.w.t.Fatal(err)
	}
	t, err := links.ParseTokens(clear)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return t
}

// becameCurrent holds a new generation against the grants: it must come of the
// one before, or be what was kept for its death, and not be spent already.
func (p *provider) becameCurrent(was, is links.Link) {
	g := p.tokens(is)
	if g == nil || !g.spentAt.IsZero() {
		p.w.t.Errorf("generation %d is a token that was presented already", is.Generation)
		return
	}
	g.used = g.used || p.w.eager && is.Fingerprint != ""
	kept := slices.ContainsFunc(was.Kept, func(k links.Kept) bool { return is.Committed(k.Attempt) })
	if g.parent != nil && !kept && g.parent != p.tokens(was) {
		p.w.t.Errorf("G3: generation %d does not come of generation %d", is.Generation, was.Generation)
	}
}

// useBearer is what a subscriber does with the bearer that is served.
func (p *provider) useBearer() { p.tokens(p.w.link()).used = true }

// client is how one process asks the provider.
type client struct {
	*provider
	p *process
}

func (c *client) Profile() providers.Profile { return c.w.rules }

func (c *client) DeadlineFor(providers.Grant) time.Duration { return c.Deadline() }

func (c *client) Deadline() time.Duration {
	if c.w.rules.Replay.Kind == providers.ReplayForbidden {
		return c.w.budget.DeadlineOnce
	}
	return c.w.budget.Deadline
}

func (c *client) Bearer(a *providers.Answer) secret.Value { return a.AccessToken }

func (c *client) Verify(_ context.Context, a *providers.Answer, _ providers.Identity) (providers.Verified, error) {
	switch {
	case c.panics:
		panic("a defect")
	case c.down:
		return providers.Verified{}, providers.ErrKeysUnavailable
	case c.hostile[a.AccessToken.Reveal()]:
		return providers.Verified{}, providers.ErrHostile
	}
	return providers.Verified{Comparison: providers.ComparisonUnknown}, nil
}

// Refresh is one POST: the socket refuses to write past the deadline, the
// provider carries it out at once, the answer comes however late or never.
func (c *client) Refresh(ctx context.Context, r providers.Request) providers.Outcome {
	t := taskOf(ctx)
	c.w.yield(t, "socket")
	class := c.class()
	switch {
	case class == providers.NotSent:
		return providers.Outcome{Class: providers.NotSent}
	case !c.p.clock().Before(r.Deadline):
		c.w.lost = true
		return providers.Outcome{Class: providers.NotSent}
	case class == providers.Refused:
		return providers.Outcome{Class: providers.Refused, RetryAfter: time.Second}
	}
	if c.w.fault("request is lost") {
		c.w.lost = true
		return providers.Outcome{Class: providers.Ambiguous}
	}
	at := c.p.clock()
	g := c.shown(r)
	c.w.yield(t, "answer")
	switch {
	case class == providers.Ambiguous || c.w.fault("response is lost"):
		c.w.lost = true
		return providers.Outcome{Class: providers.Ambiguous}
	case g == nil || class == providers.GrantDead:
		return providers.Outcome{Class: providers.GrantDead, Code: "invalid_grant"}
	case c.w.fault("called dead though it lives"):
		c.w.lost = true
		return providers.Outcome{Class: providers.GrantDead, Code: "invalid_grant"}
	case c.w.fault("answer is cut short"):
		c.w.lost = true
		return providers.Outcome{Class: providers.Ambiguous, Answer: &providers.Answer{RefreshToken: secret.New(g.refresh)}}
	case c.w.fault("answer names somebody else"):
		c.hostile[g.access] = true
	}
	return providers.Outcome{Class: providers.OK, Answer: &providers.Answer{
		AccessToken: secret.New(g.access), RefreshToken: secret.New(g.refresh), TokenType: "Bearer",
		RequestedAt: at, ExpiresAt: at.Add(time.Hour),
	}}
}

// class is the next scripted one, or what the seed makes go wrong.
func (c *client) class() providers.Class {
	if len(c.answers) > 0 {
		next := c.answers[0]
		c.answers = c.answers[1:]
		return next
	}
	switch {
	case c.w.fault("not sent"):
		return providers.NotSent
	case c.w.fault("throttled"):
		return providers.Refused
	}
	return providers.OK
}
