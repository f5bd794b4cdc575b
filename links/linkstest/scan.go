package linkstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// population are links of two tenants at two providers.
func population(t *testing.T, s links.Store) map[events.Address]uint64 {
	t.Helper()
	revisions := map[events.Address]uint64{}
	for _, tenant := range []string{"one", "two"} {
		for _, provider := range []string{"op", "op-2"} {
			for n := range 3 {
				a := events.Address{Tenant: tenant, Provider: provider, Link: fmt.Sprintf("link_%d", n)}
				revisions[a] = create(t, s, a).Revision
			}
		}
	}
	return revisions
}

func listFilters(t *testing.T, s Stores) {
	if found := list(t, s.Scanner, events.Address{}); len(found) != 0 {
		t.Errorf("an empty store lists %v", found)
	}
	all := population(t, s.Store)
	for _, filter := range []events.Address{
		{}, {Tenant: "one"}, {Provider: "op"}, {Link: "link_2"}, {Tenant: "two", Provider: "op-2"},
		{Tenant: "one", Link: "link_0"}, {Tenant: "one", Provider: "op", Link: "link_1"}, {Tenant: "three"}, {Tenant: "on"},
	} {
		want := maps.Clone(all)
		maps.DeleteFunc(want, func(a events.Address, _ uint64) bool { return !matches(filter, a) })
		if got := list(t, s.Scanner, filter); !maps.Equal(got, want) {
			t.Errorf("List(%+v)\n%v\nwant\n%v", filter, got, want)
		}
	}
}

// list collects addresses and revisions, and checks that each comes once and as it is stored.
func list(t *testing.T, s links.Scanner, filter events.Address) map[events.Address]uint64 {
	t.Helper()
	found := map[events.Address]uint64{}
	err := s.List(bounded(t), filter, func(v links.Stored) bool {
		if _, twice := found[v.Link.Address]; twice {
			t.Errorf("%s was listed twice", v.Link.Address)
		}
		found[v.Link.Address] = v.Revision
		same(t, v.Link, Sample(v.Link.Address))
		return true
	})
	if err != nil {
		t.Fatalf("List(%+v): %v", filter, err)
	}
	return found
}

func matches(filter, a events.Address) bool {
	return (filter.Tenant == "" || filter.Tenant == a.Tenant) && (filter.Provider == "" || filter.Provider == a.Provider) &&
		(filter.Link == "" || filter.Link == a.Link)
}

func listStops(t *testing.T, s Stores) {
	population(t, s.Store)
	seen := 0
	err := s.Scanner.List(bounded(t), events.Address{}, func(links.Stored) bool {
		seen++
		return seen < 2
	})
	if err != nil || seen != 2 {
		t.Errorf("%d links and %v after stopping at the second", seen, err)
	}
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	err = s.Scanner.List(ctx, events.Address{}, func(links.Stored) bool {
		cancel()
		return true
	})
	if err == nil {
		t.Error("no error though the context ended in the middle")
	}
}

// listWhileWritten writes to every link from inside the list: the list neither
// deadlocks, nor runs after the writes for ever, nor leaves out a link.
func listWhileWritten(t *testing.T, s Stores) {
	all := population(t, s.Store)
	seen := map[events.Address]bool{}
	err := s.Scanner.List(bounded(t), events.Address{}, func(v links.Stored) bool {
		if seen[v.Link.Address] {
			t.Errorf("%s was listed again after a write", v.Link.Address)
		}
		seen[v.Link.Address] = true
		now := latest(t, s.Store, v.Link.Address)
		update(t, s.Store, now.Link, now.Revision)
		return len(seen) <= len(all)
	})
	if err != nil {
		t.Fatal(err)
	}
	for a := range all {
		if !seen[a] {
			t.Errorf("%s was not listed", a)
		}
	}
}

// watching collects what a watch reports.
func watching(t *testing.T, s links.Scanner, filter events.Address) <-chan links.Stored {
	t.Helper()
	changes := make(chan links.Stored, 1024)
	if err := s.Watch(bounded(t), filter, func(v links.Stored) { changes <- v }); err != nil {
		t.Fatalf("Watch(%+v): %v", filter, err)
	}
	return changes
}

// next waits for a change.
func next(t *testing.T, changes <-chan links.Stored) links.Stored {
	t.Helper()
	select {
	case v := <-changes:
		return v
	case <-bounded(t).Done():
		t.Fatal("the watch did not report a write")
		return links.Stored{}
	}
}

func watchLaterWrites(t *testing.T, s Stores) {
	before := create(t, s.Store, address(1))
	changes := watching(t, s.Scanner, events.Address{})
	var want []uint64
	want = append(want, create(t, s.Store, address(2)).Revision)
	want = append(want, update(t, s.Store, before.Link, before.Revision).Revision)
	want = append(want, create(t, s.Store, address(3)).Revision)
	var got []uint64
	for range want {
		v := next(t, changes)
		same(t, v.Link, Sample(v.Link.Address))
		got = append(got, v.Revision)
	}
	if !slices.Equal(got, want) {
		t.Errorf("watched revisions %v, written %v; %d was written before the watch", got, want, before.Revision)
	}
}

func watchFilters(t *testing.T, s Stores) {
	changes := watching(t, s.Scanner, events.Address{Tenant: "two", Provider: "op-2"})
	all := population(t, s.Store)
	last := events.Address{Tenant: "two", Provider: "op-2", Link: "last"}
	create(t, s.Store, last)
	seen := 0
	for v := next(t, changes); v.Link.Address != last; v = next(t, changes) {
		if v.Link.Tenant != "two" || v.Link.Provider != "op-2" {
			t.Errorf("%s came through the filter", v.Link.Address)
		}
		if v.Revision != all[v.Link.Address] {
			t.Errorf("%s at %d, written at %d", v.Link.Address, v.Revision, all[v.Link.Address])
		}
		seen++
	}
	if seen != 3 {
		t.Errorf("%d links came through the filter, want 3", seen)
	}
}

// watchOrder writes one link often. What is reported rises, and the last write
// is reported whatever was left out before it.
func watchOrder(t *testing.T, s Stores) {
	changes := watching(t, s.Scanner, events.Address{})
	v := create(t, s.Store, address(1))
	for i := range 100 {
		v.Link.Failures = i + 1
		v = update(t, s.Store, v.Link, v.Revision)
	}
	var at uint64
	for at != v.Revision {
		change := next(t, changes)
		if change.Revision <= at {
			t.Fatalf("revision %d was reported after %d", change.Revision, at)
		}
		at = change.Revision
	}
}

func watchEnds(t *testing.T, s Stores) {
	ctx, cancel := context.WithCancel(bounded(t))
	calls := make(chan links.Stored, 16)
	if err := s.Scanner.Watch(ctx, events.Address{}, func(v links.Stored) { calls <- v }); err != nil {
		t.Fatal(err)
	}
	create(t, s.Store, address(1))
	next(t, calls)
	cancel()
	// Another watch, whose report shows that the ended one had its chance.
	still := watching(t, s.Scanner, events.Address{})
	create(t, s.Store, address(2))
	next(t, still)
	select {
	case v := <-calls:
		t.Errorf("%s was reported after the context had ended", v.Link.Address)
	default:
	}
}
