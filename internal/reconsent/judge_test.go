package reconsent_test

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// judge holds a cell at rest against the promises.
func (c *cell) judge(flows []begun) {
	c.t.Helper()
	for _, fault := range c.witness.faults {
		c.t.Errorf("G3: %s", fault)
	}
	c.presentedOnce()
	owners := c.oneLinkForALogin()
	for _, f := range flows {
		c.judgeFlow(f, owners)
	}
	c.announced()
	if c.t.Failed() {
		c.tell(flows)
	}
}

// tell writes down what a failure is to be understood from: a seed does not bring
// back what the machine did.
func (c *cell) tell(flows []begun) {
	for _, l := range c.witness.all() {
		text, _ := json.Marshal(l.Public()) // it is read from JSON
		c.t.Logf("link %s", text)
	}
	for _, b := range flows {
		if s, err := c.flows.Get(c.ctx, consents.Key(b.state)); err == nil {
			f := s.Flow
			c.t.Logf("flow %s for %s of %s: %s %s, order %v, ruling %+v", f.ID, f.Link, f.User, f.Status, f.Reason, f.Order, f.Ruling)
		}
	}
}

// presentedOnce: no code and no refresh token twice, and nothing revoked for it.
func (c *cell) presentedOnce() {
	c.t.Helper()
	ledger, err := c.Sim.Ledger()
	if err != nil {
		c.t.Fatal(err)
	}
	for key, times := range ledger.PerToken() {
		if times > 1 {
			c.t.Errorf("G1: credential %d of %s was presented %d times", key.Serial, key.Family, times)
		}
	}
	if n := c.Sim.Revoked(provider); n > 0 {
		c.t.Errorf("G1: %d families were revoked for a credential that came back", n)
	}
	c.t.Logf("%d presentations, %d of them codes", len(ledger.Presentations(providertest.Filter{})), len(ledger.Presentations(providertest.Filter{Kind: providertest.KindCode})))
}

// oneLinkForALogin returns who has each login: one link, which the index knows and
// which serves a token of that login.
func (c *cell) oneLinkForALogin() map[string]links.Link {
	c.t.Helper()
	owners := map[string]links.Link{}
	for _, l := range c.witness.all() {
		if !l.Live() {
			continue
		}
		if other, taken := owners[l.Subject]; taken {
			c.t.Errorf("%s and %s both have one login", l.Address, other.Address)
		}
		owners[l.Subject] = l
		owner, err := c.Store.Owner(c.ctx, l.Tenant, links.Login(l.Provider, l.Subject))
		if err != nil || owner.Address != l.Address {
			c.t.Errorf("%s has its login, and the index says %s: %v", l.Address, owner.Address, err)
		}
		c.servesItsOwn(l)
	}
	return owners
}

// servesItsOwn: the token that a link serves is of the login that it is for, and
// good, where the link says so.
func (c *cell) servesItsOwn(l links.Link) {
	c.t.Helper()
	for _, token := range c.Sim.Issued() {
		if events.Fingerprint(token) != l.Fingerprint {
			continue
		}
		family, _ := c.Sim.FamilyOf(token)
		state, _ := c.Sim.Family(family)
		if is := c.Keys.Subject(c.Sim.Endpoints(provider).Issuer, c.Sim.Endpoints(provider).ClientID, state.Sub); is != l.Subject {
			c.t.Errorf("%s serves a token of another login", l.Address)
		}
		if l.Status == links.Active && !c.Sim.Alive(token) {
			c.t.Errorf("%s is active, and its token is dead", l.Address)
		}
		return
	}
	c.t.Errorf("%s serves a token that nobody issued", l.Address)
}

// judgeFlow: a flow has come to its end, and the newest consent to a login and to a
// link is the one that counts.
func (c *cell) judgeFlow(b begun, owners map[string]links.Link) {
	c.t.Helper()
	s, err := c.flows.Get(c.ctx, consents.Key(b.state))
	if err != nil {
		c.t.Error(err)
		return
	}
	f := s.Flow
	if f.Status == consents.Presented || f.Status == consents.Exchanged {
		c.t.Errorf("flow %s rests %s", f.ID, f.Status)
	}
	if f.Status != consents.Applied {
		return
	}
	if len(f.Tokens)+len(f.Answer)+len(f.Secrets) > 0 {
		c.t.Errorf("flow %s is applied and keeps what is sealed in it", f.ID)
	}
	if l, err := c.Link(c.ctx, f.Ruling.Link); err != nil || l.ConsentOrder.Before(f.Order) {
		c.t.Errorf("flow %s of %v went to %s, whose consent is of %v: %v", f.ID, f.Order, f.Ruling.Link, l.ConsentOrder, err)
	}
	if l, has := owners[f.Found.Subject]; has && l.ConsentOrder.Before(f.Order) {
		c.t.Errorf("flow %s of %v has the login of %s, whose consent is of %v", f.ID, f.Order, l.Address, l.ConsentOrder)
	}
}

// announced: the events that the records count are stored, each once and in order.
func (c *cell) announced() {
	c.t.Helper()
	stored := map[events.Address]uint64{}
	err := c.Bus.Watch(c.ctx, bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		a, name, err := c.Bus.Names().Subjects().ParseOut(m.Subject)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(strings.Join(m.Header[events.HeaderSequence], ""), 10, 64)
		if stored[a]++; n != stored[a] {
			c.t.Errorf("G4: event %d of %s, %s, is stored as its %d.", n, a, name, stored[a])
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, l := range c.witness.all() {
		if stored[l.Address] != l.EventNumber {
			c.t.Errorf("G4: %s counts %d events, %d are stored", l.Address, l.EventNumber, stored[l.Address])
		}
	}
}
