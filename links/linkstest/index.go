package linkstest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// ownership follows one subject through every way in which it changes hands.
func ownership(t *testing.T, s Stores) {
	unowned := expectOwner(t, s.Index, events.Address{})
	if unowned != 0 {
		t.Errorf("a subject without a history is at revision %d, want 0", unowned)
	}
	take(t, s.Index, address(1), unowned)
	first := expectOwner(t, s.Index, address(1))
	take(t, s.Index, address(1), first) // its own: fine
	again := expectOwner(t, s.Index, address(1))
	take(t, s.Index, address(2), again)
	second := expectOwner(t, s.Index, address(2))
	for _, passed := range []uint64{unowned, first, second + 1} {
		refused(t, s.Index, address(3), passed)
		refused(t, s.Index, address(2), passed)
	}
	release(t, s.Index, address(1)) // was the owner, is not: without effect
	release(t, s.Index, address(3)) // never was
	if now := expectOwner(t, s.Index, address(2)); now != second {
		t.Errorf("revision %d after releases of others, want %d", now, second)
	}
	take(t, s.Index, address(3), second)
	expectOwner(t, s.Index, address(3))
}

// claims: the place of a consent stays with what it took, and goes with it.
func claims(t *testing.T, s Stores) {
	order := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	if err := s.Index.Take(bounded(t), "default", "subject", links.Owner{Address: address(1), Order: order}); err != nil {
		t.Fatal(err)
	}
	first := expectOrder(t, s.Index, order)
	if err := s.Index.Take(bounded(t), "default", "subject", links.Owner{Address: address(1), Order: order.Add(1), Revision: first}); err != nil {
		t.Fatal(err)
	}
	expectOrder(t, s.Index, order.Add(1))
	release(t, s.Index, address(1))
	take(t, s.Index, address(2), expectOrder(t, s.Index, time.Time{}))
	expectOrder(t, s.Index, time.Time{})
}

func expectOrder(t *testing.T, x links.Index, want time.Time) uint64 {
	t.Helper()
	owner, err := x.Owner(bounded(t), "default", "subject")
	if err != nil || !owner.Order.Equal(want) {
		t.Fatalf("order %v, %v; want %v", owner.Order, err, want)
	}
	return owner.Revision
}

// releases gives a subject back and takes it again. What was read before a
// release must not do afterwards: between the two it may have had another owner.
func releases(t *testing.T, s Stores) {
	take(t, s.Index, address(1), 0)
	before := expectOwner(t, s.Index, address(1))
	release(t, s.Index, address(1))
	left := expectOwner(t, s.Index, events.Address{})
	release(t, s.Index, address(1))
	if again := expectOwner(t, s.Index, events.Address{}); again != left {
		t.Errorf("a second release left revision %d, the first one %d", again, left)
	}
	refused(t, s.Index, address(2), before)
	refused(t, s.Index, address(2), 0)
	take(t, s.Index, address(2), left)
	expectOwner(t, s.Index, address(2))
}

// subjectsAreApart: the same subject in another tenant is another subject.
func subjectsAreApart(t *testing.T, s Stores) {
	take(t, s.Index, address(1), 0)
	other := events.Address{Tenant: "other", Provider: "op", Link: "link-1"}
	if err := s.Index.Take(bounded(t), "other", "subject", links.Owner{Address: other}); err != nil {
		t.Errorf("take in another tenant: %v", err)
	}
	if err := s.Index.Take(bounded(t), "default", "subject-2", links.Owner{Address: address(2)}); err != nil {
		t.Errorf("take another subject: %v", err)
	}
	expectOwner(t, s.Index, address(1))
}

// expectOwner returns the revision at which the subject is owned as wanted.
func expectOwner(t *testing.T, x links.Index, want events.Address) uint64 {
	t.Helper()
	owner, err := x.Owner(bounded(t), "default", "subject")
	if err != nil || owner.Address != want {
		t.Fatalf("owner %s, %v; want %s", owner.Address, err, want)
	}
	return owner.Revision
}

func take(t *testing.T, x links.Index, a events.Address, revision uint64) {
	t.Helper()
	if err := x.Take(bounded(t), "default", "subject", links.Owner{Address: a, Revision: revision}); err != nil {
		t.Fatalf("take at %d for %s: %v", revision, a, err)
	}
}

func refused(t *testing.T, x links.Index, a events.Address, revision uint64) {
	t.Helper()
	if err := x.Take(bounded(t), "default", "subject", links.Owner{Address: a, Revision: revision}); !errors.Is(err, links.ErrConflict) {
		t.Errorf("take at the passed revision %d for %s: %v, want ErrConflict", revision, a, err)
	}
}

func release(t *testing.T, x links.Index, a events.Address) {
	t.Helper()
	if err := x.Release(bounded(t), "default", "subject", a); err != nil {
		t.Errorf("release by %s: %v", a, err)
	}
}

// takeRace lets many take one revision: of a subject that nobody had, of one
// that has an owner, and of one that was given back.
func takeRace(t *testing.T, s Stores) {
	for round := range 3 {
		before, err := s.Index.Owner(bounded(t), "default", "subject")
		if err != nil {
			t.Fatal(err)
		}
		errs := make([]error, workers)
		race(workers, func(i int) {
			errs[i] = s.Index.Take(bounded(t), "default", "subject", links.Owner{Address: address(round*workers + i), Revision: before.Revision})
		})
		winner := oneWinner(t, errs, links.ErrConflict)
		expectOwner(t, s.Index, address(round*workers+winner))
		if round == 1 {
			release(t, s.Index, address(round*workers+winner))
		}
	}
}

// transferRace lets every worker become the owner once: the chain of owners that
// they displaced has each of them in it once, and ends with the last.
func transferRace(t *testing.T, s Stores) {
	ctx := bounded(t)
	displaced := make([]events.Address, workers)
	race(workers, func(i int) {
		for {
			now, err := s.Index.Owner(ctx, "default", "subject")
			if err == nil {
				err = s.Index.Take(ctx, "default", "subject", links.Owner{Address: address(i), Revision: now.Revision})
			}
			if errors.Is(err, links.ErrConflict) {
				continue
			}
			if err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
			displaced[i] = now.Address
			return
		}
	})
	seen := map[events.Address]bool{}
	for i, a := range displaced {
		if seen[a] {
			t.Errorf("%s was displaced twice, by worker %d the second time", a, i)
		}
		seen[a] = true
	}
	now, err := s.Index.Owner(bounded(t), "default", "subject")
	if err != nil || seen[now.Address] {
		t.Errorf("the last owner is %s, %v, which was displaced: %v", now.Address, err, seen[now.Address])
	}
}

func users(t *testing.T, s Stores) {
	others := events.Address{Tenant: "other", Provider: "op", Link: "link-1"}
	for range 2 {
		for _, a := range []events.Address{address(1), address(2), others} {
			if err := s.Index.AddUser(bounded(t), "user_A-1", a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Index.AddUser(bounded(t), "user_A-12", address(3)); err != nil {
		t.Fatal(err)
	}
	expectLinks(t, s.Index, "default", "user_A-1", address(1), address(2))
	expectLinks(t, s.Index, "default", "user_A-12", address(3))
	expectLinks(t, s.Index, "other", "user_A-1", others)
	expectLinks(t, s.Index, "other", "user_A-12")
	expectLinks(t, s.Index, "default", "nobody")
}

func expectLinks(t *testing.T, x links.Index, tenant, user string, want ...events.Address) {
	t.Helper()
	got, err := x.OfUser(bounded(t), tenant, user)
	if err != nil {
		t.Fatalf("links of %s in %s: %v", user, tenant, err)
	}
	slices.SortFunc(got, func(a, b events.Address) int { return strings.Compare(a.String(), b.String()) })
	if !slices.Equal(got, want) {
		t.Errorf("links of %s in %s: %v, want %v", user, tenant, got, want)
	}
}

// indexNames: an index is asked with names from outside this package's reach; a
// wildcard in one would list or take for everybody.
func indexNames(t *testing.T, s Stores) {
	if err := s.Index.AddUser(bounded(t), "user", address(1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "*", ">", "user.>", "us er"} {
		if found, err := s.Index.OfUser(bounded(t), "default", name); err == nil {
			t.Errorf("links of user %q: %v, want an error", name, found)
		}
		if err := s.Index.AddUser(bounded(t), name, address(1)); err == nil {
			t.Errorf("user %q was added", name)
		}
		if _, err := s.Index.Owner(bounded(t), "default", name); err == nil {
			t.Errorf("subject %q was looked up", name)
		}
		if err := s.Index.Take(bounded(t), "default", name, links.Owner{Address: address(1)}); err == nil {
			t.Errorf("subject %q was taken", name)
		}
		if err := s.Index.Release(bounded(t), "default", name, address(1)); err == nil {
			t.Errorf("subject %q was released", name)
		}
	}
	if found, err := s.Index.OfUser(bounded(t), "*", "user"); err == nil {
		t.Errorf("links of tenant *: %v, want an error", found)
	}
	if err := s.Index.Take(bounded(t), "default", "subject", links.Owner{Address: events.Address{Tenant: "*", Provider: "op", Link: "link-1"}}); err == nil {
		t.Error("a malformed address became an owner")
	}
}
