package canary_test

import (
	"fmt"
	"net/url"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// flows are the consents of a world: what they hide, and where it may stand.
type flows struct {
	// subs, customers, claims and hints belong nowhere.
	personal []string
	// nonces belong to the workers, states to the API's reply and their own input.
	nonces, states []string
	codes          map[string]bool
	// brought counts the inputs that brought each code and state.
	brought map[string]int
}

// providers are three that differ in what a consent of another login leads to, and
// in how they tell whose login it is.
func (w *world) providers() map[string]fleet.Provider {
	w.codes, w.brought = map[string]bool{}, map[string]int{}
	p, err := providers.Builtin("generic")
	w.ok(err)
	p.Rotation, p.MinInterval, p.IDTokenAlgs = providers.RotationAlways, 0, []string{"RS256"}
	hold, plain := p, p
	hold.OnDifferentLogin, hold.RevocationScope, plain.IDTokenAlgs = providers.PolicyHold, providers.RevokesToken, nil
	b := providertest.Behaviour{IDTokens: true, AccessTTL: time.Hour}
	return map[string]fleet.Provider{
		"op": {Behaviour: b, Profile: p}, "hold": {Behaviour: b, Profile: hold},
		"plain": {Behaviour: providertest.Behaviour{AccessTTL: time.Hour}, Profile: plain},
	}
}

// consentable adds the simulator's addresses that a consent needs.
func (w *world) consentable() {
	for name, p := range w.cell.Config.Providers {
		at := w.cell.Sim.Endpoints(name)
		p.AuthorizeURL, p.RevocationURL = at.AuthorizeURL, at.RevocationURL
		p.AccountsURL, p.AccountsIDs = at.AccountsURL, "/accounts/*/accountId"
		p.CustomerURL, p.CustomerIDs = at.CustomerURL, []string{"/customerId"}
		if name == "plain" {
			p.UserinfoURL = at.UserinfoURL
		}
		w.cell.Config.Providers[name] = p
	}
}

// consent is one flow on its way.
type consent struct {
	w    *world
	name string
	user string
	events.Address
	sub    string
	family string
	data   events.ReconsentCompleted
}

// imported is a consent to come to a link that has tokens, of its own login.
func (w *world) imported(name, provider string) *consent {
	w.t.Helper()
	made, err := w.cell.Import(w.t.Context(), provider, 1)
	w.ok(err)
	w.links = append(w.links, made[0])
	return &consent{w: w, name: name, user: "user-0", Address: made[0].Address, sub: made[0].Sub}
}

// fresh is a consent to come to a link that there is not yet.
func (w *world) fresh(name, provider, user string) *consent {
	return &consent{w: w, name: name, user: user, Address: events.Address{Tenant: "default", Provider: provider}, sub: w.person("sub")}
}

// person makes something about a person that belongs nowhere.
func (w *world) person(what string) string {
	text := fmt.Sprintf("canary/%s of a person, %s", what, ulid.Make())
	w.personal = append(w.personal, text)
	return text
}

// begin goes as far as the redirect: its input is ready to be sent.
func (c *consent) begin(options ...providertest.ConsentOption) *consent {
	c.w.t.Helper()
	var begun api.ConsentBegun
	c.ask(api.VerbConsentBegin, api.ConsentBegin{
		Provider: c.Provider, Link: c.Link, User: c.user, RedirectURI: "http://127.0.0.1:1/callback",
		Scopes: []string{"openid", "accounts"}, LoginHint: c.w.person("hint"),
	}, &begun)
	at, err := url.Parse(begun.AuthorizeURL)
	c.w.ok(err)
	c.w.nonces, c.w.states = append(c.w.nonces, at.Query().Get("nonce")), append(c.w.states, begun.State)
	back, err := c.w.cell.Sim.Consent(begun.AuthorizeURL, c.sub, append([]providertest.ConsentOption{
		providertest.WithClaims(map[string]any{"email": c.w.person("claim"), "address": map[string]any{"street": c.w.person("claim")}}),
		providertest.WithCustomer(c.w.person("customer")), providertest.WithAccounts("account-1", "account-2"),
	}, options...)...)
	c.w.ok(err)
	c.Link = begun.Link
	c.data = events.ReconsentCompleted{Address: c.Address, State: begun.State, Code: events.Code(back.Code), Error: back.Error, Iss: back.Iss}
	c.family, _ = c.w.cell.Sim.FamilyOf(back.Code)
	return c
}

// stage brings tokens in place of a code.
func (c *consent) stage(idToken string) *consent {
	c.w.t.Helper()
	g := c.w.cell.Sim.Issue(c.Provider, c.sub, providertest.WithClaims(map[string]any{"email": c.w.person("claim")}))
	if idToken == "" {
		idToken = g.IDToken
	}
	var staged api.Staged
	c.ask(api.VerbStage, api.Stage{
		Provider: c.Provider, Link: c.Link, User: c.user, AccessToken: api.Secret(g.AccessToken),
		RefreshToken: api.Secret(g.RefreshToken), IDToken: api.Secret(idToken),
	}, &staged)
	c.Link = staged.Link
	c.data = events.ReconsentCompleted{Address: c.Address, Staging: staged.Staging}
	return c
}

func (c *consent) ask(verb string, in, out any) {
	c.w.t.Helper()
	c.w.ok(c.w.cell.Bus.Request(c.w.t.Context(), c.w.cell.Bus.Names().Subjects().API(c.Tenant, verb), in, out))
}

// meets scripts a fault for the requests of this consent's grant.
func (c *consent) meets(f providertest.Fault) *consent {
	f.Family = c.family
	c.w.cell.Sim.Script(c.Provider, f)
	return c
}

// send publishes the input.
func (c *consent) send() *consent {
	c.w.t.Helper()
	c.brings()
	c.publish(c.data)
	return c
}

// brings notes what the input holds, whoever sends it.
func (c *consent) brings() {
	if c.data.Code != "" {
		c.w.codes[string(c.data.Code)] = true
		c.w.brought[string(c.data.Code)]++
	}
	if c.data.State != "" {
		c.w.brought[c.data.State]++
	}
}

// decide answers a hold on the consent of this number.
func (c *consent) decide(d events.Decision) *consent {
	c.w.t.Helper()
	c.publish(events.LinkReplacementDecided{Address: c.Address, Consent: c.link().Hold.Consent, Decision: d})
	return c
}

func (c *consent) publish(d events.Data) {
	c.w.t.Helper()
	e, err := events.NewInput("//canary/callback", ulid.Make().String(), time.Now(), events.Trace{}, d)
	c.w.ok(err)
	m, err := c.w.cell.Bus.Names().Subjects().InputMessage(e)
	c.w.ok(err)
	c.w.ok(c.w.cell.Bus.PublishInput(c.w.t.Context(), m))
}

func (c *consent) link() links.Link {
	c.w.t.Helper()
	l, err := c.w.cell.Link(c.w.t.Context(), c.Address)
	c.w.ok(err)
	return l
}

// ends waits until the consent's link is as it should be, and all that it had to
// say is stored.
func (c *consent) ends(what string, as func(links.Link) bool) *consent {
	c.w.t.Helper()
	testenv.Eventually(c.w.t, limit, c.name+": "+what, func() bool {
		l, err := c.w.cell.Link(c.w.t.Context(), c.Address)
		if err != nil || !as(l) {
			return false
		}
		last, err := c.w.cell.Bus.LastOutput(c.w.t.Context(), c.Address)
		return err == nil && last == l.EventNumber
	})
	return c
}

func applied(l links.Link) bool {
	return l.Status == links.Active && l.Consent > 0 && len(l.Consents) > 0
}

func of(s links.Status) func(links.Link) bool {
	return func(l links.Link) bool { return l.Status == s }
}

func held(l links.Link) bool { return l.Hold != nil }

// refused says that the flow failed: it has been open, and left the link as it was.
func refused(events uint64) func(links.Link) bool {
	return func(l links.Link) bool { return l.EventNumber > events && l.Exchange == nil && l.Hold == nil }
}
