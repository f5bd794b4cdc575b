package handlers_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/seal"
)

// meddled is a store in which something happens before the reseal's next write.
type meddled struct {
	*memstore.Store
	before func()
}

func (m *meddled) Update(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	if do := m.before; do != nil {
		m.before = nil
		do()
	}
	return m.Store.Update(ctx, l, revision)
}

// sealedWorld is a cell whose link has all that a record can have sealed, beside flows.
func (w *world) sealedWorld() *memstore.Flows {
	w.t.Helper()
	w.put(func(l *links.Link) {
		for _, kind := range []links.KeptKind{links.KeptCandidate, links.KeptLate, links.KeptHostile, links.KeptPending} {
			at := seal.Binding{Kind: "answer", Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: 1, Generation: 1}
			*l = l.Keep(links.Claim{Attempt: string(kind), Consent: 1, Generation: 1}, kind, w.sealed(at, string(kind)), time.Now())
		}
	})
	flows, now := memstore.NewFlows(time.Now), time.Now()
	for _, status := range []consents.Status{consents.Pending, consents.Presented, consents.Exchanged, consents.Applied} {
		f := consents.Flow{
			Version: consents.Version, Key: consents.Key(string(status)), ID: "flow-" + string(status), Address: theLink,
			BeganAt: now, ExpiresAt: now.Add(time.Hour), Status: status,
		}
		at := seal.Binding{Kind: "flow-secrets/" + f.ID, Tenant: f.Tenant, Provider: f.Provider, Link: f.Link}
		if status != consents.Applied {
			f.Secrets = w.sealed(at, canary+"-secrets")
		}
		if at.Kind = "flow-answer/" + f.ID; status == consents.Exchanged {
			f.Answer = w.sealed(at, canary+"-answer")
			at.Kind = "flow-tokens/" + f.ID
			f.Tokens = w.sealed(at, canary+"-tokens")
		}
		if _, err := flows.Create(context.Background(), f); err != nil {
			w.t.Fatal(err)
		}
	}
	return flows
}

func (w *world) sealed(at seal.Binding, text string) []byte {
	w.t.Helper()
	out, err := w.keys.Seal(at, []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// resealed runs a reseal to its end.
func resealed(t *testing.T, r *handlers.Resealer) handlers.Resealed {
	t.Helper()
	found, err := r.Survey(context.Background(), false, func() {})
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Run(context.Background(), found, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func surveyed(t *testing.T, r *handlers.Resealer) handlers.Survey {
	t.Helper()
	s, err := r.Survey(context.Background(), true, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Everything that is sealed is brought under the key that seals, and nothing else in
// the records changes: then the old key can go.
func TestResealChangesTheSealAndNothingElse(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		flows := w.sealedWorld()
		r := w.resealer()
		r.Flows = flows
		first := w.keys.Primary()
		if s := surveyed(t, r); s.Values[first] != 10 || s.Left() != 0 {
			t.Fatalf("counted %v, %d left", s.Values, s.Left())
		}
		rotate(t, w.keys)
		was, wasFlow := w.link(), flowOf(t, flows, consents.Exchanged)
		if out := resealed(t, r); out.Links != 1 || out.Flows != 3 || out.Busy != 0 || out.Failed != 0 {
			t.Fatalf("%+v", out)
		}
		if s := surveyed(t, r); s.Values[first] != 0 || s.Values[w.keys.Primary()] != 10 || s.Left() != 0 {
			t.Fatalf("counted %v, %d left", s.Values, s.Left())
		}
		if out := resealed(t, r); out.Links+out.Flows != 0 {
			t.Errorf("a second run wrote %+v", out)
		}
		if err := w.keys.Destroy(first, time.Now()); err != nil {
			t.Fatal(err)
		}
		is, isFlow := w.link(), flowOf(t, flows, consents.Exchanged)
		for i := range is.Kept {
			is.Kept[i].Sealed, was.Kept[i].Sealed = nil, nil
		}
		is.Sealed, was.Sealed = nil, nil
		if !reflect.DeepEqual(is, was) {
			t.Errorf("the link became %+v from %+v", is, was)
		}
		for _, f := range []*consents.Flow{&isFlow, &wasFlow} {
			f.Secrets, f.Answer, f.Tokens = nil, nil, nil
		}
		before, _ := wasFlow.Encode()
		if after, _ := isFlow.Encode(); string(after) != string(before) { // its place in the order of consents included
			t.Errorf("the flow became %s from %s", after, before)
		}
		a := w.process("a")
		a.take(w.report(1)).end()
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

func flowOf(t *testing.T, flows *memstore.Flows, status consents.Status) consents.Flow {
	t.Helper()
	s, err := flows.Get(context.Background(), consents.Key(string(status)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Flow
}

// A refresh that writes between the reseal's read and its write is not overwritten: the
// link is read again.
func TestResealLosesToARefresh(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		rotate(t, w.keys)
		r := w.resealer()
		r.Links = &meddled{Store: w.store.Store, before: func() {
			a.take(w.report(1)).end()
		}}
		if out := resealed(t, r); out.Failed != 0 || out.Busy != 0 {
			t.Fatalf("%+v", out)
		}
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
		w.wantEvents("token-rotated")
		a.take(w.report(2)).end() // and the refresh token is the newest
		w.wantLink(links.Active, 3)
		w.wantPresentations(2)
	})
}

// A link that is being refreshed is left until it is not: its worker must open the
// tokens once more to commit, and may not have the new key.
func TestResealLeavesALinkThatIsBeingRefreshed(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		host := hostWith(t, w.keys)
		b := w.on(host, "b")
		task := b.take(w.report(1)).until("present:after")
		rotate(t, w.keys)
		if out := resealed(t, w.resealer()); out.Busy != 1 || out.Links != 0 {
			t.Fatalf("%+v", out)
		}
		task.end()
		w.wantLink(links.Active, 2)
		if out := resealed(t, w.resealer()); out.Busy != 0 || out.Links != 1 {
			t.Fatalf("%+v", out)
		}
		w.wantPresentations(1)
	})
}

// What does not open is left as it is, said, and holds up nothing else.
func TestResealLeavesWhatDoesNotOpen(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		flows := w.sealedWorld()
		var damaged []byte
		w.put(func(l *links.Link) {
			l.Kept = slices.Clone(l.Kept)
			damaged = slices.Clone(l.Kept[2].Sealed)
			damaged[len(damaged)-1] ^= 1
			l.Kept[2].Sealed = damaged
		})
		rotate(t, w.keys)
		r := w.resealer()
		r.Flows = flows
		out := resealed(t, r)
		if out.Failed != 1 || out.Flows != 3 || !errors.Is(out.Problem, seal.ErrNotOpened) {
			t.Fatalf("%+v", out)
		}
		l := w.link()
		if !slices.Equal(l.Kept[2].Sealed, damaged) {
			t.Error("a value that does not open was changed")
		}
		if id, _ := seal.KeyOf(l.Sealed); id != w.keys.Primary() {
			t.Error("the link's tokens were not resealed for another value's fault")
		}
		if s := surveyed(t, r); s.Left() != 1 {
			t.Errorf("%d left, want the one that does not open", s.Left())
		}
	})
}

// A link may be gone when its turn comes.
func TestResealPassesOverALinkThatIsGone(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		rotate(t, w.keys)
		r := w.resealer()
		r.Links = memstore.New(time.Now)
		if out := resealed(t, r); !reflect.DeepEqual(out, handlers.Resealed{}) {
			t.Errorf("%+v", out)
		}
		if s := surveyed(t, r); s.Links != 0 {
			t.Errorf("counted %d", s.Links)
		}
	})
}

// What could not be listed at all is no record that was passed over: the command that goes
// on beside those must not go on beside this.
func TestASurveyThatBreaksOffSaysOnlyThat(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		r := w.resealer()
		r.Scanner, r.Flows = newerBeside{w.store.Store}, awayFlows{w.sealedWorld()}
		_, err := r.Survey(w.t.Context(), false, func() {})
		if errors.As(err, new(*links.Unreadable)) || !errors.Is(err, errAway) {
			t.Errorf("%v, want that the flows could not be listed", err)
		}
	})
}

// awayFlows cannot be listed.
type awayFlows struct{ *memstore.Flows }

func (awayFlows) List(context.Context, func(consents.Stored) bool) error { return errAway }

// A record that cannot be read keeps its key from being destroyed, and no other from
// being resealed.
func TestAResealPassesOverWhatItCannotRead(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		r := w.resealer()
		r.Scanner, r.Flows = newerBeside{w.store.Store}, w.sealedWorld()
		rotate(t, w.keys)
		found, err := r.Survey(w.t.Context(), true, func() {})
		if !errors.Is(err, links.ErrRecord) || found.Links != 1 || found.Flows == 0 || found.Left() == 0 {
			t.Fatalf("%d links, %d flows, %v; want all that can be read, and ErrRecord", found.Links, found.Flows, err)
		}
		if out, err := r.Run(w.t.Context(), found, func() {}); err != nil || out.Links != 1 || out.Flows == 0 {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
