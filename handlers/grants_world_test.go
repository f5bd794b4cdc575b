package handlers_test

import (
	"context"
	"slices"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// vault is a provider that knows several grants, in a world of its own: refresh
// tokens as the world's provider has them, a key, the registration itself and a
// password.
type vault struct {
	*world
	// single: one bearer lives at a time. bare: no grant but a refresh token brings a
	// refresh token. life is a bearer's.
	single, bare bool
	life         time.Duration
	// until is when a bearer that lives ends; family is a refresh token's, over those
	// that were ended.
	until  map[string]time.Time
	family map[*grant]int
	over   map[int]bool
	logins int
	// refuses are grants that are called dead from now on; lies: all are, although
	// they are not; spiking: so are those of many other links.
	refuses       map[providers.Grant]bool
	lies, spiking bool
	// cut: everything is carried out, and no answer arrives.
	cut bool
	// heard are grants whose death was told while nothing spoke against it, lost those
	// of which an answer did not arrive.
	heard, lost map[providers.Grant]bool
	// intended are the refresh tokens that may have been presented.
	intended map[string]bool
	dead     map[*task]providers.Grant
	apps     *registration
}

// newVault makes a world whose provider lets links go through a chain of grants.
func newVault(w *world) *vault {
	v := &vault{
		world: w, life: time.Hour, until: map[string]time.Time{}, family: map[*grant]int{}, over: map[int]bool{},
		refuses: map[providers.Grant]bool{}, heard: map[providers.Grant]bool{}, intended: map[string]bool{}, lost: map[providers.Grant]bool{},
		dead: map[*task]providers.Grant{}, apps: &registration{Apps: memstore.NewApps(time.Now), w: w},
	}
	w.configure, w.looks = v.configures, v.look
	first := v.provider.byAccess[v.tokens().Access.Reveal()]
	v.until[first.access] = time.Now().Add(time.Hour)
	return v
}

func (v *vault) configures(p *process, cfg *handlers.Config) {
	cfg.Providers = map[string]handlers.Provider{"op": &vaultClient{&client{v.provider, p}, v}}
	k, err := apps.Start(context.Background(), apps.Config{Apps: []string{"op"}, Worker: p.name, Store: v.apps, Budget: v.budget, Now: p.clock, Random: func() float64 { return v.turn(p) }})
	if err != nil {
		v.t.Fatal(err)
	}
	p.end = k.Stop
	v.t.Cleanup(k.Stop)
	cfg.Apps, cfg.Spike = k, &apps.Spike{Keeper: k, Counter: v}
}

// turn sets processes apart that would probe a suspended app at one moment.
func (v *vault) turn(p *process) float64 { return float64(p.name[len(p.name)-1]%10) / 10 }

// Count is the fleet's tally of dead grants.
func (v *vault) Count(_ context.Context, _, _ string, dead bool) (deadLinks, all int) {
	switch {
	case !dead:
	case v.spiking:
		return 20, 20
	default:
		v.heard[v.dead[v.current]] = true
	}
	return 1, 100
}

// tokens opens the record.
func (v *vault) tokens() links.Tokens { return v.provider.opened(v.link()) }

// lives says whether the bearer that is served is good, and for a while.
func (v *vault) lives(d time.Duration) bool {
	return time.Now().Add(d).Before(v.until[v.tokens().Access.Reveal()])
}

// look holds a write against what is promised of chains: what is dead is not
// presented until it is renewed, and what is served is what was answered.
func (v *vault) look(was, is links.Link) {
	if a, ok := is.Current(); ok && !was.Lists(a.ID) {
		if slices.Contains(is.Spent, a.By()) {
			v.t.Errorf("%s is presented, which is dead", a.By())
		}
		if a.By() == links.GrantRefreshToken {
			v.intended[v.provider.opened(is).Refresh.Reveal()] = true
		}
	}
	if is.Generation > was.Generation && v.provider.byAccess[v.provider.opened(is).Access.Reveal()] == nil {
		v.t.Errorf("generation %d is nothing that was issued", is.Generation)
	}
}

// vaultClient is how one process asks it.
type vaultClient struct {
	*client
	v *vault
}

func (c *vaultClient) DeadlineFor(g providers.Grant) time.Duration {
	if g != providers.GrantRefreshToken {
		return c.w.budget.Deadline
	}
	return c.Deadline()
}

func (c *vaultClient) Refresh(ctx context.Context, r providers.Request) providers.Outcome {
	t := taskOf(ctx)
	c.w.yield(t, "socket")
	class := c.class()
	switch {
	case class == providers.NotSent || !c.p.clock().Before(r.Deadline):
		return providers.Outcome{Class: providers.NotSent}
	case class == providers.Refused:
		return providers.Outcome{Class: providers.Refused, RetryAfter: time.Second}
	}
	c.v.apps.asked(t)
	switch {
	case class == providers.OurFault || c.w.fault("registration is refused"):
		return providers.Outcome{Class: providers.OurFault, Code: "invalid_client"}
	case c.w.fault("request is lost"):
		c.v.lost[r.Grant] = true
		return providers.Outcome{Class: providers.Ambiguous}
	}
	at := c.p.clock()
	g := c.v.present(r)
	c.w.yield(t, "answer")
	switch {
	case class == providers.Ambiguous || c.v.cut || c.w.fault("response is lost"):
		c.v.lost[r.Grant] = true
		return providers.Outcome{Class: providers.Ambiguous}
	case g == nil || class == providers.GrantDead:
		c.v.dead[t] = r.Grant
		return providers.Outcome{Class: providers.GrantDead, Code: "invalid_grant"}
	}
	a := &providers.Answer{AccessToken: secret.New(g.access), TokenType: "Bearer", RequestedAt: at, ExpiresAt: at.Add(c.v.life)}
	if r.Grant == providers.GrantRefreshToken || !c.v.bare {
		a.RefreshToken = secret.New(g.refresh)
	}
	return providers.Outcome{Class: providers.OK, Answer: a}
}

// present is the token endpoint; nil is invalid_grant.
func (v *vault) present(r providers.Request) *grant {
	if r.Grant != providers.GrantRefreshToken {
		return v.login(r)
	}
	g := v.provider.grants[r.RefreshToken.Reveal()]
	if g == nil {
		v.t.Error("a refresh token is presented that was never issued")
		return nil
	}
	v.provider.presentations++
	g.shown++
	switch {
	case v.over[v.family[g]], v.refuses[r.Grant], v.lies:
		return nil
	case !g.spentAt.IsZero() && !v.provider.tolerates(g):
		v.over[v.family[g]] = true
		v.t.Errorf("a refresh token was presented %d times: its family is revoked", g.shown)
		return nil
	case g.spentAt.IsZero():
		g.spentAt = time.Now()
	}
	next := v.issue(g)
	v.family[next] = v.family[g]
	return next
}

// login is a grant that needs no refresh token.
func (v *vault) login(r providers.Request) *grant {
	if r.Grant == providers.GrantAPIKey && r.APIKey.IsZero() || r.Grant == providers.GrantPassword && r.Password.IsZero() {
		v.t.Errorf("%s is presented without it", r.Grant)
	}
	v.provider.others = append(v.provider.others, r)
	if v.refuses[r.Grant] || v.lies {
		return nil
	}
	g := v.issue(nil)
	v.logins++
	v.family[g] = v.logins
	return g
}

func (v *vault) issue(parent *grant) *grant {
	if v.single {
		clear(v.until)
	}
	g := v.provider.issue(parent)
	v.until[g.access] = time.Now().Add(v.life)
	return g
}

// use is what a service does with the bearer that is served: it reports one that is
// refused, or that ends before long.
func (v *vault) use() *message {
	l := v.link()
	d := events.TokenExpired{Address: theLink, Generation: l.Generation, Reason: events.ReasonUnauthorized}
	if l.Status != links.Revoked && v.lives(0) {
		d.Reason = events.ReasonExpiring
	}
	return v.reportFor(d)
}

// logout asks for the end of the link.
func (v *vault) logout() *message {
	e, err := events.NewInput("//app", "logout-"+time.Now().String(), time.Now(), events.Trace{}, events.LogoutRequested{Address: theLink, Scope: events.LogoutLink})
	if err != nil {
		v.t.Fatal(err)
	}
	m, err := events.Subjects{}.InputMessage(e)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.broker.add("REGRANT_IN", m.Subject, m.Header, m.Data)
}

func (c *vaultClient) Revoke(ctx context.Context, _ secret.Value, _ string) error {
	c.w.yield(taskOf(ctx), "revoke")
	return nil
}

func refusedPassword() (credentials.Credential, error) {
	return credentials.Credential{}, credentials.ErrRefused
}

func unreached() (credentials.Credential, error) { return credentials.Credential{}, errAway }
