package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// act is something that happened to links, at its place in the one order of all:
// a consent that was applied, the claim of one that was held, or a logout.
type act struct {
	order     time.Time
	id        string
	subject   string
	target    events.Address // zero: nobody has the login until somebody agrees
	requested events.Address
	replaces  bool // the requested link loses its place
	displaced []events.Address
	logout    bool
}

// model is what one after the other leads to: links, by address.
type model map[events.Address]standing

// standing is a link in the model.
type standing struct {
	live    bool
	subject string
	by      string // the consent, empty for an import
	order   time.Time
}

// after carries out acts in their order, each to its end before the next.
func (m model) after(acts []act) {
	slices.SortFunc(acts, func(a, b act) int { return a.order.Compare(b.order) })
	for _, a := range acts {
		if a.logout {
			m.end(a.target, a.order)
			continue
		}
		for other, s := range m {
			held := a.target == (events.Address{}) && !slices.Contains(a.displaced, other)
			if s.live && s.subject == a.subject && a.subject != "" && other != a.target && !held {
				m.end(other, a.order)
			}
		}
		if a.replaces && a.requested != a.target {
			m.end(a.requested, a.order)
		}
		if a.target != (events.Address{}) {
			m[a.target] = standing{live: true, subject: a.subject, by: a.id, order: a.order}
		}
	}
}

func (m model) end(a events.Address, order time.Time) {
	s := m[a]
	s.live, s.order = false, order
	m[a] = s
}

// acts are what happened, by the flows' own records and the links'.
func (c *cell) acts() (all []act) {
	for _, t := range c.trips {
		f := t.flow()
		if f.Found == nil {
			continue
		}
		a := act{order: f.Order, id: f.ID, subject: f.Found.Subject, requested: f.Address}
		if f.Ruling != nil {
			a.target, a.replaces = f.Ruling.Link, f.Ruling.Requested == consents.Replaced
		}
		switch {
		case f.Status == consents.Applied:
		case f.Ruling != nil && f.Ruling.Target == consents.ToHold:
			a.target, a.displaced = events.Address{}, c.lostTo(f) // its claim stood, whatever became of it
		case renewedAndHeld(f):
		case f.Ruling == nil && c.renewedBy(f) != nil:
			a.target = c.renewedBy(f).Address
		default: // overtaken, and some had lost the login to it by then
			a.target, a.replaces, a.displaced = events.Address{}, false, c.lostTo(f)
		}
		all = append(all, a)
	}
	for a, ends := range c.book.logouts {
		for _, l := range ends {
			all = append(all, act{order: l.ConsentOrder, subject: l.Subject, target: a, logout: true})
		}
	}
	return all
}

// lostTo are the links that lost the login to a flow that made no link: its claim
// held for a while, and whoever found it there ended its own link.
func (c *cell) lostTo(f consents.Flow) (out []events.Address) {
	for _, l := range c.all() {
		to := l.Successor
		if l.Status.Ended() && l.Subject == f.Found.Subject && to != nil && (*to == f.Address || *to == f.Replacement()) {
			out = append(out, l.Address)
		}
	}
	return out
}

// judge holds a cell at rest against the model and the guarantees.
func (c *cell) judge() {
	c.t.Helper()
	want := c.begun()
	acts := c.acts()
	want.after(acts)
	for a, s := range want {
		c.judgeLink(a, s)
	}
	for _, t := range c.trips {
		c.judgeFlow(t, acts)
	}
	for name := range c.disk.files {
		c.t.Errorf("G2: the answer of attempt %s stayed in the spool", name)
	}
	for _, m := range c.forged {
		if m.last.Kind != inbox.KindDead {
			c.t.Errorf("a callback in somebody else's name ended with %+v", m.last)
		}
	}
	c.judgeLeft()
	c.judgeReplay()
}

// begun are the links before any consent: those that were imported.
func (c *cell) begun() model {
	m := model{}
	for _, l := range c.all() {
		m[l.Address] = standing{}
		if first := l.Consents; len(first) > 0 && first[0].Flow == "" {
			m[l.Address] = standing{live: true, subject: c.imported[l.Address]}
		}
	}
	return m
}

// all are the links, in the order in which they were made.
func (c *cell) all() (out []links.Link) {
	for _, a := range c.book.made {
		out = append(out, c.book.is[a].Link)
	}
	return out
}

func (c *cell) judgeLink(a events.Address, want standing) {
	l := c.record(a)
	if l.Live() != want.live {
		c.t.Errorf("%s is %s at consent %d of %v; one after the other it is live: %t, since %v", a.Link, l.Status, l.Consent, l.ConsentOrder, want.live, want.order)
	}
	if l.Live() && want.live {
		c.judgeLive(l, want)
	}
	if l.Exchange != nil {
		c.t.Errorf("%s: the exchange of flow %s stays open", a.Link, l.Exchange.ID)
	}
	if l.Hold != nil && !slices.ContainsFunc(c.trips, func(t *trip) bool { return t.flow().Status == consents.Held && t.flow().Key == l.Hold.Flow }) {
		c.t.Errorf("%s is held for flow %s, which waits for nobody", a.Link, l.Hold.ID)
	}
	if n := uint64(len(c.out.of[a])); n != l.EventNumber {
		c.t.Errorf("G4: %s: %d of %d events are stored", a.Link, n, l.EventNumber)
	}
	if told, is := c.told(a), l.Live(); told != is {
		c.t.Errorf("G4: %s: subscribers were told %q, and the link is %s", a.Link, c.out.names(a), l.Status)
	}
	if at := l.Alarm(); !at.IsZero() && c.broker.timers[a].number != l.DueNumber {
		c.t.Errorf("%s: due number %d has no timer; armed is %d", a.Link, l.DueNumber, c.broker.timers[a].number)
	}
}

func (c *cell) judgeLive(l links.Link, want standing) {
	if l.Subject != want.subject || l.Consents[len(l.Consents)-1].Flow != want.by {
		c.t.Errorf("%s: consent %q is served, want %q", l.Link, l.Consents[len(l.Consents)-1].Flow, want.by)
		return
	}
	if want.by == "" {
		return
	}
	i := slices.IndexFunc(c.trips, func(t *trip) bool { return t.flow().ID == want.by })
	if g := c.op.tokensOf(l).of; !g.password && (g.code == "" || g.code != c.trips[i].code) {
		c.t.Errorf("G3: %s: the tokens served are of another consent than the newest", l.Link)
	}
	if l.Subject == "" {
		return
	}
	owner, err := c.book.Store.Owner(context.Background(), l.Tenant, links.Login(l.Provider, l.Subject))
	if err != nil || owner.Address != l.Address {
		c.t.Errorf("%s has its login, and the index says %q, %v", l.Link, owner.Address.Link, err)
	}
}

// told says whether those who only see a link's events take it to be live.
func (c *cell) told(a events.Address) (live bool) {
	for _, name := range c.out.names(a) {
		switch events.Name(name) {
		case events.NameLinkCreated, events.NameTokenRotated:
			live = true
		case events.NameLinkReplaced, events.NameLinkRevoked:
			live = false
		}
	}
	return live
}

func (c *cell) judgeFlow(t *trip, acts []act) {
	f := t.flow()
	given, serving := 0, 0
	for _, l := range c.all() {
		if l.Has(f.ID) {
			given++
		}
		if l.Live() && l.Consents[len(l.Consents)-1].Flow == f.ID {
			serving++
		}
	}
	complain := func(what string) {
		c.t.Errorf("flow %s of %v for %s is %s (%s): %s", f.ID, f.Order, f.Link, f.Status, f.Reason, what)
	}
	switch f.Status {
	case consents.Pending:
		if t.input != nil && t.input.last.Kind == inbox.KindDone && !t.lost {
			complain("its input is acked")
		}
	case consents.Presented, consents.Exchanged:
		complain("nobody goes on with it")
	case consents.Held:
		if h := c.record(f.Address).Hold; h == nil || h.Flow != f.Key {
			complain("nobody can decide on it")
		}
	case consents.Failed:
		if f.Reason == consents.ReasonNewerConsent && !c.overtaken(f, acts) {
			complain("nothing is newer")
		}
	}
	used := f.Status == consents.Applied || renewedAndHeld(f) || f.Ruling == nil && c.renewedBy(f) != nil
	if serving > 1 || serving == 1 && !used || used && given != 1 {
		complain(fmt.Sprintf("%d links have its tokens, %d serve them", given, serving))
	}
}

// renewedAndHeld says that a flow's login was another link's of the same user: that
// one has the consent, and whether the requested link goes is somebody's to decide.
func renewedAndHeld(f consents.Flow) bool {
	return f.Ruling != nil && f.Ruling.Target == consents.ToOwner && f.Ruling.Requested == consents.IsHeld
}

// renewedBy is the link that a flow's consent renewed, nil where there is none. An approved
// flow has no ruling until it is ruled on again, and a newer consent may drop it before.
func (c *cell) renewedBy(f consents.Flow) *links.Link {
	all := c.all()
	i := slices.IndexFunc(all, func(l links.Link) bool { return l.Has(f.ID) })
	if !f.Approved || i < 0 {
		return nil
	}
	return &all[i]
}

// overtaken says whether something newer had to do with what a flow is about: its
// login, a link of its own, or all links of its user.
func (c *cell) overtaken(f consents.Flow, acts []act) bool {
	for _, a := range f.Concerns() {
		if c.book.is[a].Link.Overtakes(f.Order) {
			return true
		}
	}
	return c.leftSince(f) || slices.ContainsFunc(acts, func(a act) bool {
		return f.Found != nil && a.subject == f.Found.Subject && a.subject != "" && a.order.After(f.Order)
	}) || slices.ContainsFunc(c.trips, func(t *trip) bool {
		o := t.flow() // may have claimed the login and then been overtaken itself
		return f.Found != nil && o.Found != nil && o.Found.Subject == f.Found.Subject && o.Order.After(f.Order)
	})
}
