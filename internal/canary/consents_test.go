package canary_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// Show 5 and G6 for consents: after every end that a flow can come to, and inputs,
// requests and commands that are bad in every way, no verifier, nonce, token,
// subject, claim or customer is anywhere but sealed. A code is in its own input
// and nowhere else; a state there and in the API's reply.
func TestNoSecretOfAConsentLeavesItsPlace(t *testing.T) {
	w := newWorld(t)
	w.consentsThatApply()
	w.consentsThatAreHeld()
	w.consentsThatFail()
	w.aConsentThatIsLate()
	sent := append(w.badConsents(), w.badRequests()...)
	sent = append(sent, w.commands()...)

	nowhere, spent := needles{}, needles{}
	for i, text := range w.cell.Sim.Issued() {
		if !w.codes[text] {
			nowhere.hide(fmt.Sprintf("credential %d", i), text)
		}
	}
	for what, all := range map[string][]string{
		"verifier": w.cell.Sim.Seen(), "nonce": w.nonces, "person": w.personal,
	} {
		for i, text := range all {
			nowhere.hide(fmt.Sprintf("%s %d", what, i), text)
		}
		if len(all) < 10 {
			t.Errorf("%d of %s: the consents did not take place", len(all), what)
		}
	}
	for _, l := range w.links {
		nowhere.hide("sub of "+l.Link, l.Sub)
	}
	for i, text := range slices.Concat(slices.Collect(maps.Keys(w.codes)), w.states, sent) {
		spent.hide(fmt.Sprintf("%d of %d codes, %d states, %d bad texts", i, len(w.codes), len(w.states), len(sent)), text)
	}
	places := w.places()
	for name, text := range places {
		if found := nowhere.in(text); len(found) > 0 {
			t.Errorf("%s holds %s", name, found)
		}
		if found := spent.in(text); name == w.inputs() && len(found) == 0 {
			t.Errorf("%s holds no code: the scan is blind", name)
		} else if name != w.inputs() && len(found) > 0 {
			t.Errorf("%s holds %s", name, found)
		}
		if len(text) == 0 {
			t.Errorf("nothing was found at %s: there was nothing to scan", name)
		}
	}
	w.ownInputsOnly()
}

// ownInputsOnly fails where a code or state stands in another input than that
// which brought it.
func (w *world) ownInputsOnly() {
	w.t.Helper()
	s, err := w.cell.Bus.JetStream().Stream(w.t.Context(), w.cell.Bus.Names().In())
	w.ok(err)
	found := map[string]int{}
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(w.t.Context(), seq)
		w.ok(err)
		for text := range w.brought {
			if bytes.Contains(m.Data, []byte(text)) {
				found[text]++
			}
		}
	}
	if !maps.Equal(found, w.brought) || len(found) < 30 {
		w.t.Errorf("codes and states are in inputs %v times, and were sent %v times", slices.Collect(maps.Values(found)), slices.Collect(maps.Values(w.brought)))
	}
}

// consentsThatApply end in tokens: in place, as a new link, in another link's
// place, with another user's login, with what the service exchanged itself.
func (w *world) consentsThatApply() {
	w.t.Helper()
	for _, provider := range []string{"op", "plain"} {
		w.imported("in place at "+provider, provider).begin().send().ends("applied", applied).begin().send().ends("applied again", consents(2))
		w.fresh("new at "+provider, provider, "somebody").begin().send().ends("created", applied)
	}
	other := w.imported("replaced", "op")
	other.sub = w.person("sub")
	other.begin().send().ends("replaced", of(links.Replaced))

	victim := w.imported("superseded", "op")
	thief := w.fresh("its new owner", "op", "another user")
	thief.sub = victim.sub
	thief.begin().send().ends("created", applied)
	victim.ends("superseded", of(links.Superseded))

	w.imported("staged", "op").stage("").send().ends("applied", applied)
	w.imported("accounts unknown", "op").begin().
		meets(providertest.Fault{Endpoint: providertest.AccountsEndpoint, Kind: providertest.Garbage}).
		meets(providertest.Fault{Endpoint: providertest.CustomerEndpoint, Kind: providertest.ErrorReply, Status: 403}).send().ends("applied", applied)
}

func consents(n int) func(links.Link) bool {
	return func(l links.Link) bool { return len(l.Consents) >= n && applied(l) } // the next may be there before anybody looks
}

// consentsThatAreHeld wait, and are agreed to, turned down, and dropped for a newer one.
func (w *world) consentsThatAreHeld() {
	w.t.Helper()
	begun := func(name string) *consent {
		c := w.imported(name, "hold")
		c.sub = w.person("sub")
		return c.begin().send().ends("held", held)
	}
	begun("approved").decide(events.DecisionApprove).ends("replaced", of(links.Replaced))
	begun("rejected").decide(events.DecisionReject).ends("kept", func(l links.Link) bool { return l.Hold == nil && l.Status == links.Active })
	dropped := begun("dropped")
	first := dropped.link().Hold.ID
	dropped.sub = w.person("sub")
	dropped.begin().send().ends("held for another", func(l links.Link) bool { return l.Hold != nil && l.Hold.ID != first })
}

// consentsThatFail come to nothing, each for a reason of its own.
func (w *world) consentsThatFail() {
	w.t.Helper()
	for name, f := range map[string]providertest.Fault{
		"rejected code": {Kind: providertest.ErrorReply, Code: "invalid_grant"}, "our fault": {Kind: providertest.ErrorReply, Status: 401, Code: "invalid_client"},
		"put off": {Kind: providertest.Status429}, "lost": {When: providertest.After, Kind: providertest.Reset},
		"cut": {When: providertest.After, Kind: providertest.Truncate}, "garbage": {When: providertest.After, Kind: providertest.Garbage},
		"moved": {Kind: providertest.Redirect}, "nonce": {When: providertest.After, Kind: providertest.WrongNonce},
		"issuer": {When: providertest.After, Kind: providertest.WrongIssuer}, "key": {When: providertest.After, Kind: providertest.ForeignKey},
		"algorithm": {When: providertest.After, Kind: providertest.AlgNone}, "subject": {When: providertest.After, Kind: providertest.OtherSubject, Sub: w.person(strings.Repeat("s", 256))},
	} {
		c := w.imported(name, "op")
		c.begin().meets(f).send().ends("failed", refused(1))
	}
	w.imported("declined", "op").begin(providertest.Deny("")).send().ends("failed", refused(1))
	c := w.imported("code in the wrong field", "op").begin()
	w.codes[string(c.data.Code)] = true
	c.data.Error, c.data.Code = string(c.data.Code), ""
	c.send().ends("failed", refused(1))
	w.imported("staged, forged", "op").stage("eyJhbGciOiJub25lIn0."+"eyJzdWIiOiJjYW5hcnkgaW4gYSBmb3JnZWQgdG9rZW4ifQ.c2ln").send().ends("failed", refused(1))
	plain := w.imported("userinfo", "plain")
	plain.begin().meets(providertest.Fault{Endpoint: providertest.UserinfoEndpoint, When: providertest.After, Kind: providertest.OtherSubject, Sub: w.person(strings.Repeat("s", 256))}).
		send().ends("failed", refused(1))
}

// aConsentThatIsLate is given up by another worker, which got the lock, and
// answered after that.
func (w *world) aConsentThatIsLate() {
	w.t.Helper()
	arrived, hold := make(chan providertest.Presentation, 1), make(chan struct{})
	c := w.imported("late", "op").begin().meets(providertest.Fault{When: providertest.After, Arrived: arrived, Hold: hold}).send()
	<-arrived
	second, err := w.cell.Start(w.t.Context(), "w2", func(o *worker.Options) { o.Probe = w.keep })
	w.ok(err)
	w.end(second.Stop)
	options, err := redis.ParseURL(w.locks)
	w.ok(err)
	locks := redis.NewClient(options)
	defer func() { w.ok(locks.Close()) }()
	c.ends("given up", func(l links.Link) bool {
		w.ok(locks.FlushAll(w.t.Context()).Err()) // nobody renews what is gone
		return refused(1)(l)
	})
	close(hold)
	c.ends("applied after all", applied)
}

// badConsents publishes inputs that are bad in every way, each with canaries of
// its own, and waits until each is a dead letter.
func (w *world) badConsents() (canaries []string) {
	w.t.Helper()
	a, js := w.links[0].Address, w.cell.Bus.JetStream()
	dead, err := js.Stream(w.t.Context(), w.cell.Bus.Names().Dead())
	w.ok(err)
	before := dead.CachedInfo().State.Msgs
	bad := []struct {
		name events.Name
		data string
	}{
		{events.NameReconsentCompleted, `"state":"@","code":"@"`},
		{events.NameReconsentCompleted, `"state":"@","code":"@","iss":"@","user":"@"`},
		{events.NameReconsentCompleted, `"state":"@","error":"@"`},
		{events.NameReconsentCompleted, `"staging":"@"`},
		{events.NameReconsentCompleted, `"state":"@","code":"@","staging":"@"`},
		{events.NameReconsentCompleted, `"state":"@","code":["@"]`},
		{events.NameReconsentCompleted, `"state":"@","code":"@","code_verifier":"@"`},
		{events.NameReconsentCompleted, `"state":"@","code":"@","@":"@"`},
		{events.NameReconsentCompleted, `"state":"@","code":"@","code":"@"`},
		{events.NameReconsentCompleted, `"state":"@","error":"@ with a description"`},
		{events.NameReconsentCompleted, `"state":"@","code":"@`},
		{events.NameLinkReplacementDecided, `"consent":"@","decision":"approve"`},
		{events.NameLinkReplacementDecided, `"consent":1,"decision":"@"`},
		{events.NameLinkReplacementDecided, `"consent":1,"decision":"reject","@":1`},
	}
	for i, b := range bad {
		canary := fmt.Sprintf("canary%02d_sent_in_a_bad_consent", i)
		canaries = append(canaries, canary)
		body := fmt.Sprintf(`{"specversion":"1.0","id":"bad-%d","source":"//canary","type":%q,"subject":%q,"data":{"tenant":%q,"provider":%q,"link":%q,%s}}`,
			i, b.name.Type(), a.Link, a.Tenant, a.Provider, a.Link, strings.ReplaceAll(b.data, "@", canary))
		m := &nats.Msg{Subject: w.cell.Bus.Names().Subjects().In(a, b.name), Header: nats.Header{events.HeaderContentType: {events.ContentType}}, Data: []byte(body)}
		_, err := js.PublishMsg(w.t.Context(), m)
		w.ok(err)
	}
	testenv.Eventually(w.t, limit, "every bad input is a dead letter", func() bool {
		info, err := dead.Info(w.t.Context())
		w.ok(err)
		return info.State.Msgs == before+uint64(len(bad))
	})
	return canaries
}
