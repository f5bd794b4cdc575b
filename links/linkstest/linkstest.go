package linkstest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Stores are the three views of one empty store.
type Stores struct {
	Store   links.Store
	Scanner links.Scanner
	Index   links.Index
}

// limit ends a test whose store hangs. No healthy store comes near it.
const limit = 2 * time.Minute

// Run runs the whole suite. open makes an empty store for each test and ends it
// with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	for name, test := range map[string]func(*testing.T, Stores){
		"not found":                           notFound,
		"create once":                         createOnce,
		"update at a revision":                updateAtRevision,
		"links are apart":                     linksAreApart,
		"malformed addresses":                 malformedAddresses,
		"no aliasing":                         noAliasing,
		"first intent has the store's time":   firstIntent,
		"record keeps when it was made":       madeAt,
		"every way to a link tells its time":  storedAt,
		"ended context":                       endedContext,
		"create race has one winner":          createRace,
		"every revision is won once":          revisionRace,
		"parallel rotation":                   parallelRotation,
		"list filters":                        listFilters,
		"list stops":                          listStops,
		"list while written":                  listWhileWritten,
		"watch later writes":                  watchLaterWrites,
		"watch filters":                       watchFilters,
		"watch keeps the order of a link":     watchOrder,
		"watch ends with its context":         watchEnds,
		"owners of a subject":                 ownership,
		"a subject that was given back":       releases,
		"the order of claims":                 claims,
		"subjects are apart":                  subjectsAreApart,
		"a revision of a subject is won once": takeRace,
		"every owner is displaced once":       transferRace,
		"users":                               users,
		"index refuses what would be a query": indexNames,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, open(t))
		})
	}
}

// Sample is an active link of generation 1, such as a store may hold.
func Sample(a events.Address) links.Link {
	issued := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return links.Link{
		Version: links.Version, Address: a, User: "user-1", Nickname: "Main account", Status: links.Active,
		Generation: 1, Consent: 1, Refreshable: true, Subject: "subject-hmac", ClientID: "client",
		Scopes: []string{"accounts", "offline_access"}, Accounts: []string{"account-1"},
		IssuedAt: issued, ExpiresAt: issued.Add(time.Hour), Fingerprint: "fingerprint-1",
		Consents: []links.Consent{{Number: 1, At: issued, Cause: "import", Scopes: []string{"accounts"}}},
		History:  []links.Change{{At: issued, What: "created", Generation: 1, Consent: 1}},
		Sealed:   []byte("sealed token set of generation 1"),
	}
}

func address(n int) events.Address {
	return events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprintf("link-%d", n)}
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// create stores a sample and returns it with its revision.
func create(t *testing.T, s links.Store, a events.Address) links.Stored {
	t.Helper()
	l := Sample(a)
	revision, err := s.Create(bounded(t), l)
	if err != nil {
		t.Fatalf("create %s: %v", a, err)
	}
	return links.Stored{Link: l, Revision: revision}
}

// latest reads what is stored now.
func latest(t *testing.T, s links.Store, a events.Address) links.Stored {
	t.Helper()
	stored, err := s.Latest(bounded(t), a)
	if err != nil {
		t.Fatalf("read %s: %v", a, err)
	}
	return stored
}

// update writes a link at a revision that must be the current one.
func update(t *testing.T, s links.Store, l links.Link, revision uint64) links.Stored {
	t.Helper()
	next, err := s.Update(bounded(t), l, revision)
	if err != nil {
		t.Fatalf("update %s at %d: %v", l.Address, revision, err)
	}
	return links.Stored{Link: l, Revision: next}
}
