package linkstest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

func notFound(t *testing.T, s Stores) {
	ctx := bounded(t)
	if _, err := s.Store.Get(ctx, address(1)); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("Get of no link: %v, want ErrNotFound", err)
	}
	if _, err := s.Store.Latest(ctx, address(1)); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("Latest of no link: %v, want ErrNotFound", err)
	}
	for _, revision := range []uint64{0, 7} {
		if _, err := s.Store.Update(ctx, Sample(address(1)), revision); !errors.Is(err, links.ErrConflict) {
			t.Errorf("Update of no link at %d: %v, want ErrConflict", revision, err)
		}
	}
}

func createOnce(t *testing.T, s Stores) {
	first := create(t, s.Store, address(1))
	other := Sample(address(1))
	other.User = "somebody else"
	if _, err := s.Store.Create(bounded(t), other); !errors.Is(err, links.ErrExists) {
		t.Errorf("second Create: %v, want ErrExists", err)
	}
	// The same again is no excuse: the caller would believe that it made the link.
	if _, err := s.Store.Create(bounded(t), Sample(address(1))); !errors.Is(err, links.ErrExists) {
		t.Errorf("identical second Create: %v, want ErrExists", err)
	}
	got := latest(t, s.Store, address(1))
	if got.Revision != first.Revision {
		t.Errorf("revision %d after refused creates, want %d", got.Revision, first.Revision)
	}
	same(t, got.Link, first.Link)
}

func updateAtRevision(t *testing.T, s Stores) {
	v1 := create(t, s.Store, address(1))
	changed := v1.Link
	changed.Nickname = "changed"
	v2 := update(t, s.Store, changed, v1.Revision)
	if v2.Revision <= v1.Revision {
		t.Errorf("revision went from %d to %d", v1.Revision, v2.Revision)
	}
	late := v1.Link
	late.Nickname = "late"
	for _, wrong := range []uint64{v1.Revision, v2.Revision + 1, 0} {
		if _, err := s.Store.Update(bounded(t), late, wrong); !errors.Is(err, links.ErrConflict) {
			t.Errorf("Update at %d while at %d: %v, want ErrConflict", wrong, v2.Revision, err)
		}
	}
	// An identical write at an old revision is a conflict too, not a success that was had before.
	if _, err := s.Store.Update(bounded(t), changed, v1.Revision); !errors.Is(err, links.ErrConflict) {
		t.Errorf("the same Update again: %v, want ErrConflict", err)
	}
	got := latest(t, s.Store, address(1))
	if got.Revision != v2.Revision {
		t.Errorf("revision %d, want %d", got.Revision, v2.Revision)
	}
	same(t, got.Link, changed)
}

func linksAreApart(t *testing.T, s Stores) {
	a := create(t, s.Store, address(1))
	near := []events.Address{
		address(2), {Tenant: "other", Provider: "op", Link: "link-1"}, {Tenant: "default", Provider: "op2", Link: "link-1"},
		{Tenant: "default", Provider: "op", Link: "link-10"}, {Tenant: "default", Provider: "op", Link: "LINK-1"},
	}
	for _, n := range near {
		if _, err := s.Store.Latest(bounded(t), n); !errors.Is(err, links.ErrNotFound) {
			t.Errorf("%s found beside %s: %v", n, a.Link.Address, err)
		}
		created := create(t, s.Store, n)
		update(t, s.Store, created.Link, created.Revision)
	}
	update(t, s.Store, a.Link, a.Revision) // at its own revision: writes to others changed nothing
}

func malformedAddresses(t *testing.T, s Stores) {
	for _, a := range []events.Address{
		{}, {Tenant: "default", Provider: "op"}, {Tenant: "default", Provider: "op", Link: "a.b"},
		{Tenant: "*", Provider: "op", Link: "a"}, {Tenant: "default", Provider: ">", Link: "a"}, {Tenant: "default", Provider: "op", Link: "a b"},
	} {
		if _, err := s.Store.Create(bounded(t), Sample(a)); err == nil {
			t.Errorf("Create of %q took place", a)
		}
		if _, err := s.Store.Update(bounded(t), Sample(a), 1); err == nil {
			t.Errorf("Update of %q took place", a)
		}
		if _, err := s.Store.Get(bounded(t), a); err == nil {
			t.Errorf("Get of %q found something", a)
		}
	}
}

func noAliasing(t *testing.T, s Stores) {
	written := create(t, s.Store, address(1))
	scribble(written.Link)
	read := latest(t, s.Store, address(1))
	same(t, read.Link, Sample(address(1)))
	scribble(read.Link)
	same(t, latest(t, s.Store, address(1)).Link, Sample(address(1)))
}

// scribble writes over everything that a Link refers to.
func scribble(l links.Link) {
	l.Scopes[0], l.Accounts[0] = "scribbled", "scribbled"
	l.Sealed[0] = '!'
	l.Consents[0].Cause, l.Consents[0].Scopes[0] = "scribbled", "scribbled"
	l.History[0].What = "scribbled"
}

// firstIntent walks a generation through three writes and expects the first
// one's time to stay, in the record and on every read.
func firstIntent(t *testing.T, s Stores) {
	v := create(t, s.Store, address(1))
	if got := latest(t, s.Store, address(1)); !got.Link.FirstIntentAt.IsZero() {
		t.Errorf("FirstIntentAt %v without an intent", got.Link.FirstIntentAt)
	}
	update(t, s.Store, v.Link.Begin(links.Attempt{ID: "attempt-1", Worker: "w"}, false, links.Rules{}), v.Revision)
	first := latest(t, s.Store, address(1))
	if first.Link.FirstIntentAt.IsZero() {
		t.Fatal("the store did not tell when the first intent was stored")
	}
	second := first.Link.Begin(links.Attempt{ID: "attempt-2", Worker: "w"}, false, links.Rules{})
	update(t, s.Store, second, first.Revision)
	got := latest(t, s.Store, address(1))
	if !got.Link.FirstIntentAt.Equal(first.Link.FirstIntentAt) {
		t.Errorf("FirstIntentAt %v after a later write, want the first intent's %v", got.Link.FirstIntentAt, first.Link.FirstIntentAt)
	}
	if listed := got.Link.Lists("attempt-1") && got.Link.Lists("attempt-2"); !listed {
		t.Errorf("attempts %v, want both", got.Link.Attempts)
	}
}

// madeAt expects the times of a record's first write, and of its generation's, on every
// read, whoever wrote since.
func madeAt(t *testing.T, s Stores) {
	create(t, s.Store, address(1))
	made := latest(t, s.Store, address(1))
	if !made.Link.MadeAt.Equal(made.StoredAt) {
		t.Errorf("MadeAt %v, want that of the first write, %v", made.Link.MadeAt, made.StoredAt)
	}
	update(t, s.Store, made.Link, made.Revision)
	got := latest(t, s.Store, address(1)).Link
	if !got.MadeAt.Equal(made.StoredAt) || !got.CommittedAt.Equal(made.StoredAt) {
		t.Errorf("MadeAt %v, CommittedAt %v after a later write, want %v", got.MadeAt, got.CommittedAt, made.StoredAt)
	}
}

// storedAt reads one revision in every way there is. A reconciler compares these
// times, and one that is missing would hide a link from it.
func storedAt(t *testing.T, s Stores) {
	changes := watching(t, s.Scanner, events.Address{})
	v := create(t, s.Store, address(1))
	first := latest(t, s.Store, address(1)).StoredAt
	if first.IsZero() {
		t.Fatal("Latest does not tell when the revision was stored")
	}
	watched := next(t, changes).StoredAt
	got, err := s.Store.Get(bounded(t), address(1))
	if err != nil {
		t.Fatal(err)
	}
	var listed time.Time
	if err := s.Scanner.List(bounded(t), events.Address{}, func(v links.Stored) bool { listed = v.StoredAt; return true }); err != nil {
		t.Fatal(err)
	}
	for way, at := range map[string]time.Time{"Watch": watched, "Get": got.StoredAt, "List": listed} {
		if !at.Equal(first) {
			t.Errorf("%s: stored at %v, Latest says %v", way, at, first)
		}
	}
	update(t, s.Store, v.Link, v.Revision)
	if second := latest(t, s.Store, address(1)).StoredAt; second.Before(first) {
		t.Errorf("a later revision was stored at %v, before %v", second, first)
	}
}

func endedContext(t *testing.T, s Stores) {
	v := create(t, s.Store, address(1))
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	changed := v.Link
	changed.Nickname = "too late"
	_, getErr := s.Store.Get(ctx, address(1))
	_, latestErr := s.Store.Latest(ctx, address(1))
	_, createErr := s.Store.Create(ctx, Sample(address(2)))
	_, updateErr := s.Store.Update(ctx, changed, v.Revision)
	_, ownerErr := s.Index.Owner(ctx, "default", "hmac")
	_, userErr := s.Index.OfUser(ctx, "default", "hmac")
	for name, err := range map[string]error{
		"Get": getErr, "Latest": latestErr, "Create": createErr, "Update": updateErr, "Owner": ownerErr, "OfUser": userErr,
		"Take":    s.Index.Take(ctx, "default", "hmac", links.Owner{Address: address(1)}),
		"Release": s.Index.Release(ctx, "default", "hmac", address(1)),
		"AddUser": s.Index.AddUser(ctx, "hmac", address(1)),
		"List":    s.Scanner.List(ctx, events.Address{}, func(links.Stored) bool { return true }),
		"Watch":   s.Scanner.Watch(ctx, events.Address{}, func(links.Stored) {}),
	} {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, links.ErrUnknown) {
			t.Errorf("%s with an ended context: %v", name, err)
		}
	}
}

// same compares two links by their stored form, without what only a read adds.
func same(t *testing.T, got, want links.Link) {
	t.Helper()
	got.FirstIntentAt, want.FirstIntentAt = time.Time{}, time.Time{}
	got.MadeAt, want.MadeAt = time.Time{}, time.Time{}
	got.CommittedAt, want.CommittedAt = time.Time{}, time.Time{}
	g, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Errorf("link\n%s\nwant\n%s", g, w)
	}
}
