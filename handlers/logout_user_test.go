package handlers_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// leaves is a user's logout from everything, asked for at one of the user's links.
func (c *cell) leaves(a events.Address) *message {
	return c.input(events.LogoutRequested{Address: a, Scope: events.LogoutUser})
}

// TestALinkThatAnEarlierConsentMakesEndsWithItsUsersLogout: the consent was given before the
// logout, and its worker makes the link only when the others are listed.
func TestALinkThatAnEarlierConsentMakesEndsWithItsUsersLogout(t *testing.T) {
	for _, stop := range []string{"user", "create"} {
		t.Run("stopped before "+stop, func(t *testing.T) {
			inCell(t, func(c *cell) {
				a, x := c.imports("ann", "A", c.op.login("one")), c.imports("ann", "X", c.op.login("other"))
				w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "A")
				slow := w1.take(back.as(c.op.login("new"))).until(stop)
				w2.take(c.leaves(x)).end()
				c.rest(w2)
				slow.end()
				c.rest(w1, w2)
				c.wantLinkOf(a, links.Revoked, 1, 1)
				c.wantLinkOf(back.flow().Replacement(), links.Revoked, 1, 1)
				if n := len(slices.Compact(slices.Sorted(slices.Values(c.op.revoked)))); n != 2 {
					t.Errorf("%d grants were revoked, want those of the two links that lived", n)
				}
			})
		})
	}
}

// TestAConsentThatIsRuledOnAfterItsUsersLogoutMakesNoLink: tokens that were staged for a
// link which nobody could list, for it was not there yet.
func TestAConsentThatIsRuledOnAfterItsUsersLogoutMakesNoLink(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		x, w := c.imports("ann", "X", c.op.login("other")), c.worker("w")
		set := c.op.issue(who, &grantOf{who: who, nonce: "nonce"})
		s, err := w.h.Stage(context.Background(), "default", api.Stage{
			Provider: "op", User: "ann", AccessToken: api.Secret(set.access), RefreshToken: api.Secret(set.refresh), Nonce: "nonce", ExpiresIn: 3600,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.take(c.leaves(x)).end()
		c.rest(w)
		wantDone(t, w.take(c.input(events.ReconsentCompleted{Address: at(s.Link), Staging: s.Staging})).end())
		c.rest(w)
		c.wantLinkOf(at(s.Link), links.ConsentRequired, 0, 0)
		if got := last[events.ConsentFailed](c, at(s.Link)).Reason; got != consents.ReasonNewerConsent {
			t.Errorf("the consent failed for %q", got)
		}
	})
}

// TestWhatAUsersLogoutAsksOfOtherLinksIsAsOld: it is handled late, and the user has come
// back to one of the other links meanwhile.
func TestWhatAUsersLogoutAsksOfOtherLinksIsAsOld(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a, x := c.imports("ann", "A", who), c.imports("ann", "X", c.op.login("other"))
		w, out := c.worker("w"), c.leaves(x)
		c.sleep(time.Minute)
		back := c.begins("ann", "A")
		w.take(back.as(who)).end()
		c.sleep(time.Minute)
		w.take(out).end()
		c.rest(w)
		c.wantLinkOf(x, links.Revoked, 1, 1)
		c.wantLinkOf(a, links.Active, 2, 2)
		back.wantServed(a)
	})
}

// TestAReplayedLogoutEndsNoLinkThatWasMadeSince: neither one that was imported nor one
// whose first consent is awaited (G8).
func TestAReplayedLogoutEndsNoLinkThatWasMadeSince(t *testing.T) {
	inCell(t, func(c *cell) {
		x, w := c.imports("ann", "X", c.op.login("other")), c.worker("w")
		out := c.leaves(x)
		w.take(out).end()
		c.rest(w)
		c.sleep(time.Minute)
		a := c.imports("ann", "A", c.op.login("one"))
		w.take(c.refused(a, 1)).end()
		back := c.begins("ann", "")
		w.take(back.comesBack(events.ReconsentCompleted{State: back.begun.State, Error: "access_denied", Iss: c.rules.Issuer})).end()
		c.rest(w)
		writes := c.book.writes
		wantDone(t, w.take(c.replayed(out)).end())
		c.rest(w)
		if n := c.book.writes - writes; n != 0 {
			t.Errorf("the replay changed records %d times", n)
		}
		c.wantLinkOf(a, links.Active, 2, 1)
		c.wantLinkOf(back.addr, links.ConsentRequired, 0, 0)
	})
}

// TestNoLinkOutlivesItsUsersLogout: consents and a logout from everything in any order of
// their steps. What was consented to before the logout has ended, and nothing else.
func TestNoLinkOutlivesItsUsersLogout(t *testing.T) {
	seeded(t, 300, func(c *cell, seed uint64) {
		who := []*login{c.op.login("one"), c.op.login("other"), c.op.login("new")}
		a, x := c.imports("ann", "A", who[0]), c.imports("ann", "X", who[1])
		w1, w2, w3 := c.worker("w1"), c.worker("w2"), c.worker("w3")
		back, fresh := c.begins("ann", "A"), c.begins("ann", "")
		one, two := seed%3, (seed%3+1+seed/3%2)%3
		flows := []*task{w1.take(back.as(who[one])), w2.take(fresh.as(who[two]))}
		for range seed / 6 % 40 {
			flows[seed%2].advance()
		}
		out := c.leaves(x)
		c.race(seed, flows[0], flows[1], w3.take(out))
		c.rest(w1, w2, w3)
		for _, addr := range []events.Address{a, x, fresh.addr, back.flow().Replacement(), fresh.flow().Replacement()} {
			s, err := c.book.Store.Latest(context.Background(), addr)
			if err == nil && s.Link.Live() && !s.Link.ConsentOrder.After(out.StoredAt) {
				c.t.Errorf("%s lives on, %v before its user's logout", addr.Link, out.StoredAt.Sub(s.Link.ConsentOrder))
			}
		}
		// One that is newer may have reached the same link, and is the one that counts then.
		newest := slices.MaxFunc([]consents.Flow{back.flow(), fresh.flow()}, func(a, b consents.Flow) int { return a.Order.Compare(b.Order) })
		if newest.Order.After(out.StoredAt) && newest.Status != consents.Applied {
			c.t.Errorf("a consent after the logout is %s (%s)", newest.Status, newest.Reason)
		}
	})
}
