package handlers_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// leavesAll is a user's logout from all links, some of which may be about to be made.
func (r *consentRun) leavesAll() {
	l := r.anyLink()
	r.tell("%s logs out of all links, at %s", l.User, r.nick(l.Address))
	r.leaves(l.Address)
}

// obtained is a link of ann's that is imported while all else goes on, of a login that
// nobody else has.
func (r *consentRun) obtained() {
	if len(r.imported) == 5 {
		return
	}
	name := string(rune('A' + len(r.imported) + 1))
	r.tell("%s is imported for ann", name)
	defer func(was func(string) bool) { r.fault = was }(r.fault)
	r.fault = func(string) bool { return false }
	r.imports("ann", name, r.op.login("of-"+name))
}

// replayLogout is an operator's replay of a logout that was handled.
func (r *consentRun) replayLogout() {
	var out []*message
	for _, m := range r.broker.messages {
		if _, ok := inputOf[events.LogoutRequested](m); ok && m.acked {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return
	}
	m := out[r.random.IntN(len(out))]
	r.tell("logout %d is replayed", m.Sequence)
	r.replayed(m)
}

// outOfAll says whether a message is a user's own logout from all links, and whose.
func (c *cell) outOfAll(m *message) (user string, ok bool) {
	d, ok := inputOf[events.LogoutRequested](m)
	return c.book.is[d.Address].Link.User, ok && d.Scope == events.LogoutUser && original(m)
}

// original says that an input is a service's own: no replay, and nothing that a worker asks.
func original(m *message) bool {
	_, again := events.Replays(m.Header)
	e, err := events.Decode(m.Header, m.Data)
	return err == nil && !again && e.Source() == "//app"
}

// judgeLoggedOut holds one end of a link against what was asked for: a logout is as old
// as its request, whoever passed it on, and a link that was made since is not its business.
func (c *cell) judgeLoggedOut(is links.Link) {
	asked := slices.ContainsFunc(c.broker.messages, func(m *message) bool {
		d, ok := inputOf[events.LogoutRequested](m)
		concerned := d.Address == is.Address || d.Scope == events.LogoutUser && c.book.is[d.Address].Link.User == is.User
		return ok && concerned && original(m) && dated(m, is.ConsentOrder)
	})
	switch {
	case !asked:
		c.t.Errorf("%s: logged out as of %v, when nobody asked for it", is.Link, is.ConsentOrder)
	case is.MadeAt.After(is.ConsentOrder):
		c.t.Errorf("%s: logged out by a request that is %v older than it", is.Link, is.MadeAt.Sub(is.ConsentOrder))
	}
}

// dated says that an input was stored at that moment, or made.
func dated(m *message, at time.Time) bool {
	e, err := events.Decode(m.Header, m.Data)
	return m.StoredAt.Equal(at) || err == nil && e.Time().Equal(at)
}

// judgeLeft: who logged out of all links has none left of those that there were by then,
// nor of a consent that was given by then.
func (c *cell) judgeLeft() {
	for _, m := range c.broker.messages {
		user, ok := c.outOfAll(m)
		for _, l := range c.all() {
			l = c.record(l.Address)
			since := cmp.Or(l.ConsentOrder, l.MadeAt)
			if ok && l.Live() && l.User == user && !since.After(m.StoredAt) {
				c.t.Errorf("%s lives on, %v after its user's logout from all links", l.Link, m.StoredAt.Sub(since))
			}
		}
	}
}

// leftSince says whether a flow's user logged out of all links after the consent.
func (c *cell) leftSince(f consents.Flow) bool {
	return slices.ContainsFunc(c.broker.messages, func(m *message) bool {
		user, ok := c.outOfAll(m)
		return ok && user == f.User && m.StoredAt.After(f.Order)
	})
}
