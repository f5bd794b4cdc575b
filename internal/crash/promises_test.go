package crash_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// ending is how a link must have ended.
type ending struct {
	status     links.Status
	generation uint64
	presented  int // times that the provider was asked, whatever it did
}

func rotated(presented int) ending { return ending{links.Active, 2, presented} }
func lost(presented int) ending    { return ending{links.ConsentRequired, 1, presented} }

func (e ending) String() string {
	return fmt.Sprintf("%s in generation %d after %d presentations", e.status, e.generation, e.presented)
}

// mustEnd requires one of some endings. Where a presentation may be repeated, a
// machine that is too slow for the fiftieth of a deadline repeats it once more.
func (c *cell) mustEnd(l fleet.Link, legal ...ending) {
	c.t.Helper()
	got := c.ends(l)
	for _, want := range legal {
		if got == want || !c.rule.forbidden() && got.presented > want.presented &&
			got == (ending{want.status, want.generation, got.presented}) {
			return
		}
	}
	c.t.Errorf("%s is %s, want %v", l.Address, got, legal)
}

// ends says how a link ended, by its record and the provider's ledger.
func (c *cell) ends(l fleet.Link) ending {
	c.t.Helper()
	got, err := c.Link(c.ctx, l.Address)
	if err != nil {
		c.t.Fatal(err)
	}
	return ending{got.Status, got.Generation, c.asked(l)}
}

// asked is how often the provider was asked to refresh a link.
func (c *cell) asked(l fleet.Link) int {
	return len(c.ledger().Presentations(providertest.Filter{Family: l.Family}))
}

func (c *cell) ledger() *providertest.Ledger {
	c.t.Helper()
	ledger, err := c.Sim.Ledger()
	if err != nil {
		c.t.Fatal(err)
	}
	return ledger
}

// promises checks what must hold however a test went.
func (c *cell) promises() {
	c.t.Helper()
	c.presentedOnce()
	for _, fault := range c.witness.wrongs() {
		c.t.Errorf("G3: %s", fault)
	}
	published, all := c.published(), c.records()
	for _, l := range all {
		c.announced(l, published[l.Address])
		c.holdsWhatWorks(l)
	}
	c.oneOwnerEach(all)
	for _, l := range c.links {
		if asked, kept := c.asked(l), len(all[l.Address].Kept); asked == 1 && kept > 0 {
			c.t.Errorf("G3: %s keeps %d answers aside; its provider was asked once", l.Address, kept)
		}
	}
	if n := c.stored(c.Bus.Names().Dead()); n > 0 {
		c.t.Errorf("G5: %d dead letters", n)
	}
	c.keptSecret()
}

// records are all links of the cell.
func (c *cell) records() map[events.Address]links.Link {
	c.t.Helper()
	all := map[events.Address]links.Link{}
	err := c.Store.List(c.ctx, events.Address{}, func(s links.Stored) bool {
		all[s.Link.Address] = s.Link
		return true
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

// oneOwnerEach: a login belongs to one link that lives, and the index knows which.
func (c *cell) oneOwnerEach(all map[events.Address]links.Link) {
	c.t.Helper()
	owners := map[string]events.Address{}
	for a, l := range all {
		if !l.Live() || l.Subject == "" {
			continue
		}
		if other, ok := owners[l.Subject]; ok {
			c.t.Errorf("%s and %s have the same login", a, other)
		}
		owners[l.Subject] = a
		owner, err := c.Store.Owner(c.ctx, a.Tenant, links.Login(a.Provider, l.Subject))
		if err != nil || owner.Address != a {
			c.t.Errorf("the login of %s belongs to %s by the index, %v", a, owner.Address, err)
		}
	}
}

// presentedOnce is G1. A request that the provider put off with an answer of its
// own was not carried out, and may be made again under every rule.
func (c *cell) presentedOnce() {
	c.t.Helper()
	if n := c.Sim.Revoked(); n > 0 {
		c.t.Errorf("G1: %d families were revoked by us", n)
	}
	if !c.rule.forbidden() {
		return
	}
	times := map[providertest.TokenKey]int{}
	for _, p := range c.ledger().Presentations(providertest.Filter{}) {
		if key := (providertest.TokenKey{Family: p.Family, Serial: p.Serial}); p.Fault != putOff.String() {
			if times[key]++; times[key] > 1 {
				c.t.Errorf("G1: token %v was presented %d times", key, times[key])
			}
		}
	}
}

// putOff is the one fault after which a forbidden token may be presented again.
var putOff = &providertest.Fault{When: providertest.Before, Kind: providertest.Status429}

// published collects the stored events' numbers by link.
func (c *cell) published() map[events.Address][]uint64 {
	c.t.Helper()
	all := map[events.Address][]uint64{}
	ids := map[string]bool{}
	c.outputs(func(a events.Address, _ events.Name, m *inbox.Message) error {
		e, err := events.Decode(m.Header, m.Data)
		if err != nil {
			return err
		}
		if ids[e.ID()] {
			c.t.Errorf("G4: event %s of %s is stored twice", e.ID(), a)
		}
		ids[e.ID()] = true
		number, err := strconv.ParseUint(strings.Join(m.Header[events.HeaderSequence], ""), 10, 64)
		all[a] = append(all[a], number)
		return err
	})
	return all
}

// events is how many events of a name are stored.
func (c *cell) events(name events.Name) (n int) {
	c.t.Helper()
	c.outputs(func(_ events.Address, each events.Name, _ *inbox.Message) error {
		if each == name {
			n++
		}
		return nil
	})
	return n
}

// outputs shows every stored output.
func (c *cell) outputs(see func(events.Address, events.Name, *inbox.Message) error) {
	c.t.Helper()
	err := c.Bus.Watch(c.ctx, bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		a, name, err := c.Bus.Names().Subjects().ParseOut(m.Subject)
		if err != nil {
			return err
		}
		return see(a, name, m)
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// announced is G4: the events that the record counts are stored, each once, in order.
func (c *cell) announced(l links.Link, stored []uint64) {
	c.t.Helper()
	var want []uint64
	for n := range l.EventNumber {
		want = append(want, n+1)
	}
	if !slices.Equal(stored, want) {
		c.t.Errorf("G4: %s counts events %v; stored are %v", l.Address, want, stored)
	}
}

// holdsWhatWorks is G2 from the other side: the token set that a link serves is
// one that the provider honours.
func (c *cell) holdsWhatWorks(l links.Link) {
	c.t.Helper()
	if l.Status != links.Active {
		return
	}
	for _, token := range c.Sim.Issued() {
		if events.Fingerprint(token) == l.Fingerprint && c.Sim.Alive(token) {
			return
		}
	}
	c.t.Errorf("G2: %s serves generation %d, which the provider does not honour", l.Address, l.Generation)
}

// keptSecret is G6 for what the workers said.
func (c *cell) keptSecret() {
	c.t.Helper()
	for _, token := range slices.Concat(c.Sim.Issued(), c.Sim.Seen(), c.states) {
		for _, p := range c.workers {
			if strings.Contains(p.Output(), token) {
				c.t.Fatal("G6: a worker printed a token, a code, a verifier, a state or a client secret")
			}
		}
	}
}
