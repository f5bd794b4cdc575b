package linkstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
)

// FlowStore is an empty store of flows.
type FlowStore struct {
	Store interface {
		consents.Store
		consents.Scanner
	}
	// Expire ends the life of a flow's record, as time would.
	Expire func(t *testing.T, key string)
}

// Flows is the definition of a consents.Store, as Run is that of a store of
// links. open makes an empty store for each test and ends it with t.Cleanup.
func Flows(t *testing.T, open func(t *testing.T) FlowStore) {
	for name, test := range map[string]func(*testing.T, FlowStore){
		"not found":                            flowNotFound,
		"create once":                          flowCreateOnce,
		"update at a revision":                 flowUpdate,
		"flows are apart":                      flowsAreApart,
		"malformed keys":                       flowKeys,
		"a flow that would not be kept":        flowWithoutLife,
		"no aliasing":                          flowAliasing,
		"a code is presented once":             presentationRace,
		"the order is that of presentations":   flowOrder,
		"a flow that ended":                    flowExpired,
		"a flow that ended is made again once": flowExpiredRace,
		"ended context":                        flowEndedContext,
		"list":                                 flowList,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, open(t))
		})
	}
}

// SampleFlow is a pending flow, such as a store may hold.
func SampleFlow(state string) consents.Flow {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return consents.Flow{
		Version: consents.Version, Key: consents.Key(state), ID: "consent-of-" + state, Address: address(1),
		Reserved: "reserved-1", User: "user-1", Nickname: "Main account", RedirectURI: "https://app.example.com/callback",
		Scopes: []string{"accounts", "offline_access"}, BeganAt: began, ExpiresAt: began.Add(10 * time.Minute),
		Status: consents.Pending, Secrets: []byte("sealed nonce and verifier"),
	}
}

func presented(f consents.Flow, attempt string) consents.Flow {
	f.Status, f.Attempt, f.Code, f.Event = consents.Presented, attempt, "code-hash", "event-1"
	return f
}

func createFlow(t *testing.T, s consents.Store, state string) consents.Stored {
	t.Helper()
	if _, err := s.Create(bounded(t), SampleFlow(state)); err != nil {
		t.Fatalf("create the flow of %s: %v", state, err)
	}
	return getFlow(t, s, state)
}

func getFlow(t *testing.T, s consents.Store, state string) consents.Stored {
	t.Helper()
	v, err := s.Get(bounded(t), consents.Key(state))
	if err != nil {
		t.Fatalf("read the flow of %s: %v", state, err)
	}
	return v
}

// updateFlow writes at a revision that must be the current one, and reads back.
func updateFlow(t *testing.T, s consents.Store, f consents.Flow, revision uint64) consents.Stored {
	t.Helper()
	next, err := s.Update(bounded(t), f, revision)
	if err != nil {
		t.Fatalf("update %s at %d: %v", f.ID, revision, err)
	}
	v, err := s.Get(bounded(t), f.Key)
	if err != nil || v.Revision != next {
		t.Fatalf("read %s: revision %d, %v; written as %d", f.ID, v.Revision, err, next)
	}
	return v
}

func flowNotFound(t *testing.T, s FlowStore) {
	if _, err := s.Store.Get(bounded(t), consents.Key("state")); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("Get of no flow: %v, want ErrNotFound", err)
	}
	for _, revision := range []uint64{0, 7} {
		if _, err := s.Store.Update(bounded(t), SampleFlow("state"), revision); !errors.Is(err, links.ErrConflict) {
			t.Errorf("Update of no flow at %d: %v, want ErrConflict", revision, err)
		}
	}
}

func flowCreateOnce(t *testing.T, s FlowStore) {
	revision, err := s.Store.Create(bounded(t), SampleFlow("state"))
	if err != nil {
		t.Fatal(err)
	}
	other := SampleFlow("state")
	other.User = "somebody else"
	for _, again := range []consents.Flow{other, SampleFlow("state")} {
		if _, err := s.Store.Create(bounded(t), again); !errors.Is(err, links.ErrExists) {
			t.Errorf("second Create: %v, want ErrExists", err)
		}
	}
	got := getFlow(t, s.Store, "state")
	if got.Revision != revision || got.StoredAt.IsZero() {
		t.Errorf("revision %d stored at %v, want %d and the store's time", got.Revision, got.StoredAt, revision)
	}
	sameFlow(t, got.Flow, SampleFlow("state"))
}

func flowUpdate(t *testing.T, s FlowStore) {
	v1 := createFlow(t, s.Store, "state")
	ours, theirs := presented(v1.Flow, "ours"), presented(v1.Flow, "theirs")
	v2 := updateFlow(t, s.Store, ours, v1.Revision)
	if v2.Revision <= v1.Revision || v2.StoredAt.Before(v1.StoredAt) {
		t.Errorf("from %d at %v to %d at %v", v1.Revision, v1.StoredAt, v2.Revision, v2.StoredAt)
	}
	for _, passed := range []uint64{v1.Revision, v2.Revision + 1, 0} {
		for _, late := range []consents.Flow{theirs, ours} { // an identical write is no success that was had before
			if _, err := s.Store.Update(bounded(t), late, passed); !errors.Is(err, links.ErrConflict) {
				t.Errorf("Update at %d while at %d: %v, want ErrConflict", passed, v2.Revision, err)
			}
		}
	}
	got := getFlow(t, s.Store, "state")
	if got.Revision != v2.Revision {
		t.Errorf("revision %d, want %d", got.Revision, v2.Revision)
	}
	got.Flow.Order = time.Time{}
	sameFlow(t, got.Flow, ours)
}

func flowsAreApart(t *testing.T, s FlowStore) {
	mine := createFlow(t, s.Store, "state")
	near := SampleFlow("state")
	near.Key = "x" + near.Key[1:]
	if near.Key == mine.Flow.Key {
		near.Key = "y" + near.Key[1:]
	}
	if _, err := s.Store.Get(bounded(t), near.Key); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("another key: %v, want ErrNotFound", err)
	}
	revision, err := s.Store.Create(bounded(t), near)
	if err != nil {
		t.Fatal(err)
	}
	updateFlow(t, s.Store, near, revision)
	updateFlow(t, s.Store, mine.Flow, mine.Revision) // at its own revision: writes to others changed nothing
}

// flowKeys: a key comes from a browser by way of an event. A wildcard or a dot
// in it would ask for more than one flow.
func flowKeys(t *testing.T, s FlowStore) {
	createFlow(t, s.Store, "state")
	for _, key := range []string{"", "*", ">", "a.b", "a b", "a*"} {
		f := SampleFlow("state")
		f.Key = key
		if _, err := s.Store.Get(bounded(t), key); err == nil || errors.Is(err, links.ErrNotFound) {
			t.Errorf("Get of %q: %v, want a refusal", key, err)
		}
		if _, err := s.Store.Create(bounded(t), f); err == nil {
			t.Errorf("Create of %q took place", key)
		}
		if _, err := s.Store.Update(bounded(t), f, 1); err == nil || errors.Is(err, links.ErrConflict) {
			t.Errorf("Update of %q: %v, want a refusal", key, err)
		}
	}
}

// flowWithoutLife writes what would be gone at once, or never.
func flowWithoutLife(t *testing.T, s FlowStore) {
	stillborn := SampleFlow("stillborn")
	stillborn.ExpiresAt = stillborn.BeganAt.Add(-48 * time.Hour)
	if _, err := s.Store.Create(bounded(t), stillborn); err == nil {
		t.Error("a flow that ended before it began was created")
	}
	v := createFlow(t, s.Store, "state")
	endless := v.Flow
	endless.Status, endless.HeldUntil = consents.Held, time.Time{}
	if _, err := s.Store.Update(bounded(t), endless, v.Revision); err == nil || errors.Is(err, links.ErrConflict) {
		t.Errorf("a hold without an end: %v, want a refusal", err)
	}
	updateFlow(t, s.Store, v.Flow, v.Revision)
}

func flowAliasing(t *testing.T, s FlowStore) {
	written := SampleFlow("state")
	if _, err := s.Store.Create(bounded(t), written); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		written.Scopes[0], written.Secrets[0] = "scribbled", '!'
		written = getFlow(t, s.Store, "state").Flow
		sameFlow(t, written, SampleFlow("state"))
	}
}

// presentationRace is what a store of flows is for: of all workers that have
// read a pending flow, one may present its code.
func presentationRace(t *testing.T, s FlowStore) {
	v := createFlow(t, s.Store, "state")
	errs := make([]error, workers)
	race(workers, func(i int) {
		_, errs[i] = s.Store.Update(bounded(t), presented(v.Flow, fmt.Sprint("attempt-", i)), v.Revision)
	})
	winner := oneWinner(t, errs, links.ErrConflict)
	if got := getFlow(t, s.Store, "state").Flow; got.Attempt != fmt.Sprint("attempt-", winner) {
		t.Errorf("attempt %s is stored, worker %d won", got.Attempt, winner)
	}
}

// flowOrder presents the second flow first. The order is that of the store's own
// times, is there with the first read, and stays.
func flowOrder(t *testing.T, s FlowStore) {
	first, second := createFlow(t, s.Store, "first"), createFlow(t, s.Store, "second")
	if !first.Flow.Order.IsZero() {
		t.Errorf("a pending flow has the order %v", first.Flow.Order)
	}
	second = updateFlow(t, s.Store, presented(second.Flow, "attempt-2"), second.Revision)
	first = updateFlow(t, s.Store, presented(first.Flow, "attempt-1"), first.Revision)
	if !second.Flow.Order.Equal(second.StoredAt) || !first.Flow.Order.Equal(first.StoredAt) {
		t.Errorf("orders %v and %v, stored at %v and %v", second.Flow.Order, first.Flow.Order, second.StoredAt, first.StoredAt)
	}
	if first.Flow.Order.Before(second.Flow.Order) {
		t.Errorf("the later presentation has the order %v, the earlier one %v", first.Flow.Order, second.Flow.Order)
	}
	later := second.Flow
	later.Status, later.Answer = consents.Exchanged, []byte("sealed answer")
	if got := updateFlow(t, s.Store, later, second.Revision); !got.Flow.Order.Equal(second.Flow.Order) {
		t.Errorf("order %v after a later write, want %v", got.Flow.Order, second.Flow.Order)
	}
}

// flowExpired: nothing of a flow that ended is left to read or to write on, and
// its key is free.
func flowExpired(t *testing.T, s FlowStore) {
	old := createFlow(t, s.Store, "state")
	s.Expire(t, old.Flow.Key)
	if _, err := s.Store.Get(bounded(t), old.Flow.Key); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	late := presented(old.Flow, "late")
	if _, err := s.Store.Update(bounded(t), late, old.Revision); !errors.Is(err, links.ErrConflict) {
		t.Errorf("Update of what ended: %v, want ErrConflict", err)
	}
	again := createFlow(t, s.Store, "state")
	if _, err := s.Store.Create(bounded(t), SampleFlow("state")); !errors.Is(err, links.ErrExists) {
		t.Errorf("Create beside the new one: %v, want ErrExists", err)
	}
	if _, err := s.Store.Update(bounded(t), late, old.Revision); !errors.Is(err, links.ErrConflict) {
		t.Errorf("Update at the old one's revision: %v, want ErrConflict", err)
	}
	updateFlow(t, s.Store, presented(again.Flow, "new"), again.Revision)
}

func flowExpiredRace(t *testing.T, s FlowStore) {
	s.Expire(t, createFlow(t, s.Store, "state").Flow.Key)
	errs := make([]error, workers)
	race(workers, func(i int) {
		f := SampleFlow("state")
		f.User = fmt.Sprint("user of worker ", i)
		_, errs[i] = s.Store.Create(bounded(t), f)
	})
	winner := oneWinner(t, errs, links.ErrExists)
	if got := getFlow(t, s.Store, "state").Flow.User; got != fmt.Sprint("user of worker ", winner) {
		t.Errorf("stored %q, worker %d won", got, winner)
	}
}

func flowEndedContext(t *testing.T, s FlowStore) {
	v := createFlow(t, s.Store, "state")
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	_, getErr := s.Store.Get(ctx, v.Flow.Key)
	_, createErr := s.Store.Create(ctx, SampleFlow("other"))
	_, updateErr := s.Store.Update(ctx, presented(v.Flow, "late"), v.Revision)
	for name, err := range map[string]error{"Get": getErr, "Create": createErr, "Update": updateErr} {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, links.ErrUnknown) {
			t.Errorf("%s with an ended context: %v", name, err)
		}
	}
}

// sameFlow compares two flows by their stored form.
func sameFlow(t *testing.T, got, want consents.Flow) {
	t.Helper()
	g, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Errorf("flow\n%s\nwant\n%s", g, w)
	}
}

// flowList: each flow that is kept once, with what Get says of it, and no more than
// is wanted.
func flowList(t *testing.T, s FlowStore) {
	want := map[string]uint64{}
	for _, state := range []string{"one", "two", "three", "ended"} {
		want[consents.Key(state)] = createFlow(t, s.Store, state).Revision
	}
	v := getFlow(t, s.Store, "two")
	want[consents.Key("two")] = updateFlow(t, s.Store, presented(v.Flow, "attempt"), v.Revision).Revision
	got := map[string]uint64{}
	list := func(most int) {
		t.Helper()
		clear(got)
		err := s.Store.List(bounded(t), func(v consents.Stored) bool {
			if got[v.Flow.Key] = v.Revision; v.Flow.Status != consents.Pending && v.Flow.Order.IsZero() {
				t.Error("a presented flow was listed without its order")
			}
			return len(got) < most
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if list(9); !maps.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if list(2); len(got) != 2 {
		t.Errorf("%d were listed after the second was the last one wanted", len(got))
	}
	for key := range want {
		s.Expire(t, key)
	}
	if list(9); len(got) != 0 {
		t.Errorf("listed %v, which has ended", got)
	}
}
