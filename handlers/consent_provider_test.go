package handlers_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"time"

	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// op is a provider of consents. It takes a code once and calls a second
// presentation an error of the test, and so it does with refresh tokens.
type op struct {
	c      *cell
	codes  map[string]*grantOf
	access map[string]*tokens
	fresh  map[string]*tokens // by refresh token
	named  map[string]*login
	// strict: a new consent ends the login's earlier grants.
	strict bool
	down   bool // the keys to verify are not reachable
	// answers scripts the next exchanges, refreshes the next refreshes; then all is well.
	answers, refreshes []providers.Class
	// once leaves the refresh token out of every consent to a login but the first.
	once bool
	// nobody: answers name no login.
	nobody    bool
	accounts  func() ([]string, error)
	customer  func() (string, error)
	forged    string // the reason why an answer proves nothing
	revoked   []string
	posts     int // codes and refresh tokens that were presented
	revokable bool
	panics    bool
}

// login is an account at the provider. It counts the token sets issued to it.
type login struct {
	sub    string
	issued int
	grants []*grantOf
}

// grantOf is what one consent gave: a code, and the tokens that came of it.
type grantOf struct {
	who                        *login
	code                       string
	challenge, nonce, redirect string
	shown                      int
	dead                       bool
	newest                     *tokens
	password                   bool // it came of one, and of no consent
}

// tokens are one set, with its number among those of the login.
type tokens struct {
	of                  *grantOf
	number              int
	access, refresh, id string
	shown               int
}

func newOP(c *cell) *op {
	return &op{
		c: c, codes: map[string]*grantOf{}, access: map[string]*tokens{}, fresh: map[string]*tokens{}, named: map[string]*login{},
		accounts: func() ([]string, error) { return nil, nil }, customer: func() (string, error) { return "", nil },
	}
}

// login makes an account.
func (o *op) login(name string) *login {
	who := &login{sub: canary + "-" + name}
	o.named[who.sub] = who
	return who
}

// subject is how our records name the login.
func (c *cell) subject(who *login) string {
	return c.keys.Subject(c.rules.Issuer, c.rules.ClientID, who.sub)
}

func (o *op) issue(who *login, g *grantOf) *tokens {
	who.issued++
	of := func(kind string) string { return fmt.Sprintf("%s-%s-%d-%s", canary, kind, who.issued, who.sub) }
	t := &tokens{of: g, number: who.issued, access: of("access"), refresh: of("refresh"), id: of("id")}
	if g.newest == nil {
		who.grants = append(who.grants, g)
	}
	g.newest = t
	o.access[t.access], o.fresh[t.refresh] = t, t
	return t
}

// authorize is the browser's way through the provider: the user logs in as
// somebody and agrees.
func (o *op) authorize(address string, who *login) (code string) {
	u, err := url.Parse(address)
	if err != nil {
		o.c.t.Fatal(err)
	}
	q := u.Query()
	g := &grantOf{
		who: who, code: fmt.Sprintf("%s-code-%d", canary, len(o.codes)),
		challenge: q.Get("challenge"), nonce: q.Get("nonce"), redirect: q.Get("redirect_uri"),
	}
	o.codes[g.code] = g
	return g.code
}

// redeem is the token endpoint for codes.
func (o *op) redeem(r providers.CodeRequest) *tokens {
	o.posts++
	g := o.codes[r.Code.Reveal()]
	if g == nil {
		return nil
	}
	g.shown++
	if g.shown > 1 {
		o.c.t.Errorf("a code was presented %d times", g.shown)
		g.dead = true
		return nil
	}
	sum := sha256.Sum256([]byte(r.Verifier.Reveal()))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge || r.RedirectURI != g.redirect {
		return nil
	}
	for _, older := range g.who.grants {
		older.dead = older.dead || o.strict
	}
	return o.issue(g.who, g)
}

// renew is the token endpoint for refresh tokens.
func (o *op) renew(refresh string) *tokens {
	o.posts++
	t := o.fresh[refresh]
	t.shown++
	if t.shown > 1 && o.c.rules.Replay.Kind == providers.ReplayForbidden {
		o.c.t.Errorf("refresh token %d was presented %d times", t.number, t.shown)
		t.of.dead = true
	}
	g := t.of
	if o.once {
		g = g.who.grants[len(g.who.grants)-1] // a grant of the login, whichever consent it is from
	}
	if g.dead {
		return nil
	}
	return o.issue(g.who, g)
}

// tokensOf opens a record.
func (o *op) tokensOf(l links.Link) *tokens {
	clear, err := o.c.keys.Open(seal.Binding{
		Kind: "tokens", Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: l.Consent, Generation: l.Generation,
	}, l.Sealed)
	if err != nil {
		o.c.t.Fatal(err)
	}
	t, err := links.ParseTokens(clear)
	if err != nil {
		o.c.t.Fatal(err)
	}
	return o.access[t.Access.Reveal()]
}

// served holds a new generation against the grants: of the same consent it is a
// newer set, and not one that was presented already.
func (o *op) served(was, is links.Link) {
	t := o.tokensOf(is)
	switch {
	case t == nil:
		o.c.t.Errorf("%s: generation %d is nobody's token", is.Link, is.Generation)
	case t.shown > 0:
		o.c.t.Errorf("%s: generation %d is a token that was presented already", is.Link, is.Generation)
	case is.Consent == was.Consent && t.of != o.tokensOf(was).of && !t.of.password:
		o.c.t.Errorf("%s: generation %d is of another consent than generation %d", is.Link, is.Generation, was.Generation)
	case is.Consent == was.Consent && t.number < o.tokensOf(was).number:
		o.c.t.Errorf("%s: generation %d is an older token than generation %d", is.Link, is.Generation, was.Generation)
	}
}

// asker is how one process asks the provider.
type asker struct {
	*op
	p *process
}

func (a *asker) Profile() providers.Profile                   { return a.c.rules }
func (a *asker) Bearer(answer *providers.Answer) secret.Value { return answer.AccessToken }
func (a *asker) CheckIss(iss string) error                    { return nil }
func (a *asker) CodeDeadline() time.Duration                  { return a.c.budget.DeadlineOnce }
func (a *asker) RevokesTokensOnly() bool                      { return a.revokable }

func (a *asker) DeadlineFor(providers.Grant) time.Duration { return a.Deadline() }

func (a *asker) Deadline() time.Duration {
	if a.c.rules.Replay.Kind == providers.ReplayForbidden {
		return a.c.budget.DeadlineOnce
	}
	return a.c.budget.Deadline
}

func (a *asker) AuthorizeURL(r providers.AuthorizeRequest) (string, error) {
	q := url.Values{"state": {r.State}, "nonce": {r.Nonce}, "challenge": {r.Challenge}, "redirect_uri": {r.RedirectURI}}
	return a.c.rules.Issuer + "/authorize?" + q.Encode(), nil
}

// Exchange is one POST of a code. The socket refuses to write past the deadline;
// the provider carries it out at once; the answer comes however late, or never.
func (a *asker) Exchange(ctx context.Context, r providers.CodeRequest) providers.Outcome {
	out := a.post(ctx, "code", r.Deadline, &a.answers, func() *tokens { return a.redeem(r) })
	if out.Answer != nil && a.once && len(a.codes[r.Code.Reveal()].who.grants) > 1 {
		out.Answer.RefreshToken = secret.Value{}
	}
	return out
}

// Refresh is one POST of a refresh token or a password.
func (a *asker) Refresh(ctx context.Context, r providers.Request) providers.Outcome {
	return a.post(ctx, "refresh", r.Deadline, &a.refreshes, func() *tokens {
		if r.Grant == providers.GrantPassword {
			return a.admit(r)
		}
		return a.renew(r.RefreshToken.Reveal())
	})
}

func (a *asker) post(ctx context.Context, what string, deadline time.Time, script *[]providers.Class, carryOut func() *tokens) providers.Outcome {
	a.c.yield(taskOf(ctx), what+" socket")
	class := a.class(script)
	switch {
	case class == providers.NotSent || !a.p.clock().Before(deadline):
		return providers.Outcome{Class: providers.NotSent}
	case class == providers.Refused || class == providers.OurFault:
		return providers.Outcome{Class: class, RetryAfter: time.Second}
	case a.c.fault("request is lost"):
		return providers.Outcome{Class: providers.Ambiguous}
	}
	now := a.p.clock()
	t := carryOut()
	a.c.yield(taskOf(ctx), what+" answer")
	switch {
	case class == providers.Ambiguous || a.c.fault("response is lost"):
		return providers.Outcome{Class: providers.Ambiguous}
	case t == nil || class == providers.GrantDead:
		return providers.Outcome{Class: providers.GrantDead, Code: "invalid_grant"}
	}
	return providers.Outcome{Class: providers.OK, Answer: a.answer(t, now)}
}

func (a *asker) answer(t *tokens, now time.Time) *providers.Answer {
	out := &providers.Answer{
		AccessToken: secret.New(t.access), RefreshToken: secret.New(t.refresh), IDToken: secret.New(t.id), TokenType: "Bearer",
		RequestedAt: now, ExpiresAt: now.Add(time.Hour), Scopes: []string{"accounts"}, ScopesGiven: true,
	}
	return out
}

// class is the next scripted one, or what the seed makes go wrong.
func (a *asker) class(script *[]providers.Class) providers.Class {
	if len(*script) > 0 {
		next := (*script)[0]
		*script = (*script)[1:]
		return next
	}
	switch {
	case a.c.fault("not sent"):
		return providers.NotSent
	case a.c.fault("throttled"):
		return providers.Refused
	}
	return providers.OK
}

func (a *asker) Verify(context.Context, *providers.Answer, providers.Identity) (providers.Verified, error) {
	if a.down {
		return providers.Verified{}, providers.ErrKeysUnavailable
	}
	return providers.Verified{Comparison: providers.ComparisonUnknown}, nil
}

// Identify proves whose login an answer is of, if it bears the flow's nonce.
func (a *asker) Identify(ctx context.Context, answer *providers.Answer, nonce string) (providers.Verified, error) {
	a.c.yield(taskOf(ctx), "identify")
	t := a.access[answer.AccessToken.Reveal()]
	switch {
	case a.panics:
		panic("a defect")
	case a.down:
		return providers.Verified{}, providers.ErrKeysUnavailable
	case a.forged != "":
		return providers.Verified{}, &providers.Rejection{Reason: a.forged}
	case t.of.nonce != nonce:
		a.c.t.Error("an answer met another flow's nonce")
	case a.nobody:
		return providers.Verified{Comparison: providers.ComparisonUnknown}, nil
	}
	return providers.Verified{
		Comparison: providers.ComparisonUnknown,
		Identity:   providers.Identity{Issuer: a.c.rules.Issuer, Subject: t.of.who.sub, ClientID: a.c.rules.ClientID},
	}, nil
}

func (a *asker) Accounts(ctx context.Context, _ secret.Value) ([]string, error) {
	a.c.yield(taskOf(ctx), "accounts")
	return a.accounts()
}

func (a *asker) Customer(ctx context.Context, _ secret.Value) (secret.Value, error) {
	a.c.yield(taskOf(ctx), "customer")
	who, err := a.customer()
	return secret.New(who), err
}

func (a *asker) Revoke(ctx context.Context, token secret.Value, _ string) error {
	a.c.yield(taskOf(ctx), "revoke")
	a.revoked = append(a.revoked, token.Reveal())
	return nil
}
