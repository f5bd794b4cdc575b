package handlers_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/seal"
)

// otherHost is a host's copy of the keys file.
type otherHost struct {
	t    *testing.T
	path string
	keys *seal.Keys
}

// hostWith has the keys as they are now.
func hostWith(t *testing.T, keys *seal.Keys) *otherHost {
	t.Helper()
	h := &otherHost{t: t, path: filepath.Join(t.TempDir(), "keys.json")}
	h.given(keys)
	var err error
	if h.keys, err = seal.Load(h.path); err != nil {
		t.Fatal(err)
	}
	return h
}

// given copies the keys of today to the host.
func (h *otherHost) given(keys *seal.Keys) {
	h.t.Helper()
	if err := os.Remove(h.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	// Save makes the keys follow the file that they are saved to: save a copy.
	newest := filepath.Join(h.t.TempDir(), "keys.json")
	if err := keys.Save(newest); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(newest, h.path); err != nil {
		h.t.Fatal(err)
	}
}

// rotate adds a key that seals from now on.
func rotate(t *testing.T, keys *seal.Keys) {
	t.Helper()
	id, err := keys.Add(time.Now())
	if err == nil {
		err = keys.Promote(id, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// on is a worker on another host.
func (w *world) on(host *otherHost, name string) *process {
	w.configure = func(_ *process, cfg *handlers.Config) { cfg.Keys = host.keys }
	defer func() { w.configure = nil }()
	return w.process(name)
}

func (w *world) resealer() *handlers.Resealer {
	return &handlers.Resealer{Links: w.store.Store, Scanner: w.store.Store, Flows: memstore.NewFlows(time.Now), Keys: w.keys}
}

// resealLink brings the link under the key that seals.
func (w *world) resealLink() {
	w.t.Helper()
	w.put(func(l *links.Link) { l.Sealed = w.resealedTokens(*l) })
}

func (w *world) resealedTokens(l links.Link) []byte {
	w.t.Helper()
	at := seal.Binding{Kind: "tokens", Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: l.Consent, Generation: l.Generation}
	tokens, err := w.keys.Open(at, l.Sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.sealed(at, string(tokens))
}

// A worker that lacks the key of a link puts the link off, and calls it by no name. It
// goes on without a restart when its host has the file.
func TestALinkUnderAnUnknownKeyIsPutOff(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		host := hostWith(t, w.keys)
		b, counts := w.on(host, "b"), prometheus.NewRegistry()
		b.h.Metrics = handlers.NewMetrics(counts)
		rotate(t, w.keys)
		w.resealLink()
		m := w.report(1)
		for range 5 {
			if v := b.take(m).end(); v.Kind != inbox.KindLater {
				t.Fatalf("verdict %+v, want later", v)
			}
			w.sleep(w.budget.Recovery)
		}
		w.wantPresentations(0)
		w.wantLink(links.Active, 1)
		w.wantEvents()
		_ = w.answered(b, api.Token{}).wantRefused(t, api.Unavailable)
		if n := counted(t, counts, "regrant_unknown_key_total"); n < 6 {
			t.Errorf("%v unknown keys were counted, want 6 or more", n)
		}
		host.given(w.keys)
		b.take(m).end()
		w.wantPresentations(1)
		w.wantLink(links.Active, 2)
	})
}

// The link was resealed between the worker's intent and its commit, under a key that
// the worker lacks: the answer waits on its disk.
func TestAnAnswerToALinkUnderAnUnknownKeyWaitsInTheSpool(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		host := hostWith(t, w.keys)
		b := w.on(host, "b")
		m := w.report(1)
		task := b.take(m).until("spool:after")
		rotate(t, w.keys)
		w.resealLink()
		if v := task.end(); v.Kind != inbox.KindLater {
			t.Fatalf("verdict %+v, want later", v)
		}
		if len(w.disk.orphans()) != 1 {
			t.Fatal("the answer is not in the spool")
		}
		w.wantLink(links.Refreshing, 1)
		host.given(w.keys)
		b.adopt().end()
		w.wantLink(links.Active, 2)
		w.rest(b)
		w.wantPresentations(1)
		w.wantEvents("token-rotated")
	})
}

// Nor is it given up where the disk refused it too: then this process alone has it.
func TestAnAnswerThatIsNowhereElseWaitsForTheKey(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		host := hostWith(t, w.keys)
		b := w.on(host, "b")
		w.fault = func(what string) bool { return what == "disk is full" }
		task := b.take(w.report(1)).until("present:after")
		rotate(t, w.keys)
		w.resealLink()
		for range 200 {
			if task.done {
				t.Fatalf("the answer was given up: %+v", task.msg.last)
			}
			task.advance()
		}
		host.given(w.keys)
		task.end()
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

// counted is a counter or a gauge without labels.
func counted(t *testing.T, counts prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := counts.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() // one of them is nil, which is 0
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// A consent without a refresh token takes over the one that the link has. A worker that
// cannot open it waits: what it left out here would be lost.
func TestAConsentWaitsForTheTokensThatItTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := seal.Generate()
		if err != nil {
			t.Fatal(err)
		}
		c := newCell(t, keys)
		c.op.once = true
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		back, host := c.begins("ann", "A"), hostWith(t, keys)
		b := c.worker("b")
		b.h.Keys = host.keys
		task := b.take(back.as(who)).until("flow_target:before")
		rotate(t, keys)
		old := c.record(a)
		c.put(a, func(l *links.Link) { l.Sealed = c.resealedTokens(*l) })
		task.end()
		if l := c.record(a); l.Consent != old.Consent || l.Exchange == nil {
			t.Fatalf("the consent was applied without the tokens that it takes over: %+v", l)
		}
		host.given(keys)
		c.rest(b)
		if l := c.record(a); l.Consent != old.Consent+1 || !l.Refreshable {
			t.Errorf("consent %d, refreshable %v", l.Consent, l.Refreshable)
		}
	})
}

func (c *cell) put(a events.Address, change func(*links.Link)) {
	c.t.Helper()
	s, err := c.book.Store.Latest(context.Background(), a)
	if err == nil {
		change(&s.Link)
		_, err = c.book.Store.Update(context.Background(), s.Link, s.Revision)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
