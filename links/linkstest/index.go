package linkstest

import (
	"slices"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

func claimAndRelease(t *testing.T, s Stores) {
	expectOwner(t, s.Index, address(1), address(1))
	expectOwner(t, s.Index, address(1), address(1)) // again: as after a lost reply
	expectOwner(t, s.Index, address(2), address(1))
	release(t, s.Index, address(2)) // not the owner: without effect
	expectOwner(t, s.Index, address(2), address(1))
	release(t, s.Index, address(1))
	release(t, s.Index, address(1))
	expectOwner(t, s.Index, address(2), address(2))
	expectOwner(t, s.Index, address(1), address(2))

	// The same subject in another tenant is another subject.
	other := events.Address{Tenant: "other", Provider: "op", Link: "link-1"}
	if owner, err := s.Index.Claim(bounded(t), "other", "subject", other); err != nil || owner != other {
		t.Errorf("claim in another tenant: %s, %v", owner, err)
	}
}

func expectOwner(t *testing.T, x links.Index, a, want events.Address) {
	t.Helper()
	owner, err := x.Claim(bounded(t), "default", "subject", a)
	if err != nil || owner != want {
		t.Errorf("claim for %s: owner %s, %v; want %s", a, owner, err, want)
	}
}

func release(t *testing.T, x links.Index, a events.Address) {
	t.Helper()
	if err := x.Release(bounded(t), "default", "subject", a); err != nil {
		t.Errorf("release by %s: %v", a, err)
	}
}

// claimRace claims, and after a release claims again: a subject that was given
// back must be as good as a new one.
func claimRace(t *testing.T, s Stores) {
	for range 2 {
		owners := make([]events.Address, workers)
		race(workers, func(i int) {
			var err error
			if owners[i], err = s.Index.Claim(bounded(t), "default", "subject", address(i)); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		})
		for i, o := range owners {
			if o != owners[0] {
				t.Errorf("workers 0 and %d were told of owners %s and %s", i, owners[0], o)
			}
		}
		if won := slices.IndexFunc(owners, func(o events.Address) bool { return o == owners[0] }); won < 0 || owners[0].Link == "" {
			t.Errorf("nobody owns the subject")
		}
		release(t, s.Index, owners[0])
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
// wildcard in one would list or claim for everybody.
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
		if _, err := s.Index.Claim(bounded(t), "default", name, address(1)); err == nil {
			t.Errorf("subject %q was claimed", name)
		}
		if err := s.Index.Release(bounded(t), "default", name, address(1)); err == nil {
			t.Errorf("subject %q was released", name)
		}
	}
	if found, err := s.Index.OfUser(bounded(t), "*", "user"); err == nil {
		t.Errorf("links of tenant *: %v, want an error", found)
	}
}
