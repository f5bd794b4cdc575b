package worker_test

import (
	"cmp"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// The providers of the tables. Each believes less than the one before it, or is
// in more of a hurry.
var consentProviders = map[string]consenting{
	"op": {providertest.Behaviour{IDTokens: true}, careful},
	"mixed": {providertest.Behaviour{IDTokens: true}, func(p *providers.Profile, at providertest.Endpoints) {
		careful(p, at)
		p.IDTokenAlgs = []string{"RS256", "HS256"}
	}},
	"bare":  {providertest.Behaviour{}, careful},
	"plain": {providertest.Behaviour{}, func(p *providers.Profile, at providertest.Endpoints) { p.UserinfoURL = at.UserinfoURL }},
	"brief": {providertest.Behaviour{}, func(p *providers.Profile, _ providertest.Endpoints) { p.FlowTTL = time.Nanosecond }},
}

// careful demands all that can be demanded.
func careful(p *providers.Profile, at providertest.Endpoints) {
	p.JWKSURL, p.IDTokenAlgs, p.IDTokenOnCode, p.IssParameter = at.JWKSURL, []string{"RS256"}, providers.IDTokenRequired, providers.IssRequired
	p.AccountsURL, p.AccountsIDs, p.AccountsNext = at.AccountsURL, "/accounts/*/accountId", "/links/next"
	p.CustomerURL, p.CustomerIDs = at.CustomerURL, []string{"/customerId"}
}

// forgery is an input that must become a dead letter with this reason and field,
// and nothing else.
type forgery struct {
	name  string
	at    string // the provider; left out: op
	begin func(*round)
	// forge changes the good input.
	forge         func(*round)
	reason, field string
	// over: the good input would not be taken any more either.
	over bool
}

func put(name string, value any) func(*round) { return func(r *round) { r.data[name] = value } }

func without(name string) func(*round) { return func(r *round) { delete(r.data, name) } }

func staged(r *round) { r.stage(nil) }

// completed sends the good input and waits for its end.
func completed(r *round) {
	r.consent(r.link.Sub, nil)
	r.told(r.address, r.send())
}

// elsewhere sends the input to another link, of the same user, than it is for.
func elsewhere(r *round) { r.move(r.standing(r.t, r.address.Provider).address) }

// move sends the input to another address.
func (r *round) move(to events.Address) {
	r.address = to
	r.data["tenant"], r.data["provider"], r.data["link"] = to.Tenant, to.Provider, to.Link
}

func toTenant(r *round) {
	r.move(events.Address{Tenant: "other", Provider: r.address.Provider, Link: r.address.Link})
}

func toProvider(r *round) {
	r.move(events.Address{Tenant: r.address.Tenant, Provider: "mixed", Link: r.address.Link})
}

func swap(from, to string) func(*round) {
	return func(r *round) {
		r.data[to] = r.data[from]
		delete(r.data, from)
	}
}

var forgeries = []forgery{
	{name: "a state that nobody gave out", forge: put("state", "forged"), reason: "unknown_state", field: "data.state"},
	{name: "a state in another spelling", forge: func(r *round) { r.data["state"] = strings.ToLower(r.data["state"].(string)) }, reason: "unknown_state", field: "data.state"},
	{name: "a state of another tenant", forge: toTenant, reason: "state_of_another_tenant", field: "data.tenant"},
	{name: "a state of another provider", forge: toProvider, reason: "state_of_another_provider", field: "data.provider"},
	{name: "a state of another link", forge: elsewhere, reason: "state_of_another_link", field: "data.link"},
	{name: "a state of another user", forge: put("user", "user-1"), reason: "state_of_another_user", field: "data.user"},
	{name: "an expired state", at: "brief", over: true, reason: "expired_state", field: "data.state"},
	{name: "an expired state with an error", at: "brief", over: true, forge: func(r *round) { delete(r.data, "code"); r.data["error"] = "access_denied" }, reason: "expired_state", field: "data.state"},
	{name: "a used state with another code", begin: completed, over: true, forge: put("code", "another"), reason: "used_state", field: "data.state"},
	{name: "a used state with an error", begin: completed, over: true, forge: func(r *round) { delete(r.data, "code"); r.data["error"] = "access_denied" }, reason: "used_state", field: "data.state"},
	{name: "the iss of another provider", forge: put("iss", "https://issuer.example"), reason: "iss_mismatch", field: "data.iss"},
	{name: "an iss that only looks the same", forge: func(r *round) { r.data["iss"] = r.data["iss"].(string) + "/" }, reason: "iss_mismatch", field: "data.iss"},
	{name: "no iss where there must be one", forge: without("iss"), reason: "iss_missing", field: "data.iss"},

	{name: "neither state nor staging", forge: without("state"), reason: events.FaultSchema, field: "data"},
	{name: "no code", forge: without("code"), reason: events.FaultSchema, field: "data"},
	{name: "both state and staging", forge: put("staging", "s"), reason: events.FaultSchema, field: "data"},
	{name: "both code and error", forge: put("error", "access_denied"), reason: events.FaultSchema, field: "data"},
	{name: "an empty state", forge: put("state", ""), reason: events.FaultSchema, field: "data.state"},
	{name: "a state without end", forge: put("state", strings.Repeat("s", 2049)), reason: events.FaultSchema, field: "data.state"},
	{name: "a code without end", forge: put("code", strings.Repeat("c", 4097)), reason: events.FaultSchema, field: "data.code"},
	{name: "a code that is no text", forge: put("code", 7), reason: events.FaultSchema, field: "data.code"},
	{name: "an error that is a sentence", forge: func(r *round) { delete(r.data, "code"); r.data["error"] = "The user said no." }, reason: events.FaultSchema, field: "data.error"},
	{name: "a verifier beside the code", forge: put("code_verifier", "v"), reason: events.FaultUnknownField, field: "data"},
	{name: "an access token beside the code", forge: put("access_token", "t"), reason: events.FaultUnknownField, field: "data"},
	{name: "another link in the data than in the subject", forge: put("link", "another"), reason: events.FaultWrongSubject, field: "data.link"},
	{name: "a tenant that there is not", forge: func(r *round) { r.move(events.Address{Tenant: "nobody", Provider: "op", Link: r.address.Link}) }, reason: "unknown_tenant", field: "tenant"},

	{name: "a staging that nobody gave out", begin: staged, forge: put("staging", "forged"), reason: "unknown_staging", field: "data.staging"},
	{name: "a staging of another tenant", begin: staged, forge: toTenant, reason: "state_of_another_tenant", field: "data.tenant"},
	{name: "a staging of another provider", begin: staged, forge: toProvider, reason: "state_of_another_provider", field: "data.provider"},
	{name: "a staging of another link", begin: staged, forge: elsewhere, reason: "state_of_another_link", field: "data.link"},
	{name: "a staging of another user", begin: staged, forge: put("user", "user-1"), reason: "state_of_another_user", field: "data.user"},
	{name: "an expired staging", at: "brief", begin: staged, over: true, reason: "expired_staging", field: "data.staging"},
	{name: "a state for a staging", forge: func(r *round) { delete(r.data, "code"); delete(r.data, "iss"); swap("state", "staging")(r) }, reason: "unknown_staging", field: "data.staging"},
	{name: "a staging for a state", begin: staged, forge: func(r *round) { r.data["code"] = "c"; swap("staging", "state")(r) }, reason: "unknown_state", field: "data.state"},
}

// Show 4: every forged and stale input is refused with a reason of its own, or its
// consent ends in a named event; the tokens before it are untouched and served.
func TestForgedAndStaleConsents(t *testing.T) {
	s := newStack(t, consentProviders)
	t.Run("inputs", func(t *testing.T) {
		for _, row := range forgeries {
			t.Run(row.name, func(t *testing.T) { t.Parallel(); row.run(t, s) })
		}
	})
	t.Run("answers", func(t *testing.T) {
		for _, row := range answers {
			t.Run(row.name, func(t *testing.T) { t.Parallel(); row.run(t, s) })
		}
	})
	if n := s.Sim.Revoked(); n > 0 {
		t.Errorf("%d grants were revoked: something was presented twice", n)
	}
	for name := range consentProviders {
		if n := s.Sim.Scripted(name); n > 0 {
			t.Errorf("%d faults at %s met no request: their rows show nothing", n, name)
		}
	}
}

func (row forgery) run(t *testing.T, s *stack) {
	r := s.standing(t, cmp.Or(row.at, "op"))
	if row.begin == nil {
		r.consent(r.link.Sub, nil)
	} else {
		row.begin(r)
	}
	good, at, was, shown := maps.Clone(r.data), r.address, link(t, s.Cell, r.link.Address), r.presented(r.data["code"])
	if row.forge != nil {
		row.forge(r)
	}
	l := r.letter(r.send())
	if l.Reason != row.reason || l.Field != row.field {
		t.Errorf("the dead letter says %s in %s, want %s in %s", l.Reason, l.Field, row.reason, row.field)
	}
	r.untouched(was)
	if n := r.presented(good["code"]); n != shown {
		t.Errorf("%d presentations of the code, want %d as before", n, shown)
	}
	r.data, r.address = good, at
	if !row.over {
		r.completes(was)
	}
	r.refreshes(at)
}

// completes sends the good input: a refused one took nothing from it.
func (r *round) completes(was links.Link) {
	r.t.Helper()
	if got := r.told(r.address, r.send()); got.name != rotated || got.Comparison != string(events.ComparisonSame) {
		r.t.Errorf("the good input ended in %+v, want %s of the same login", got, rotated)
	}
	r.serves(was, 1)
	if code, ok := r.data["code"]; ok && r.presented(code) != 1 {
		r.t.Errorf("%d presentations of the code, want 1", r.presented(code))
	}
}
