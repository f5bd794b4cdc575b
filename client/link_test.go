package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
)

func serves(t testing.TB, l *client.Link, generation uint64) *client.Token {
	t.Helper()
	got, err := l.Token(within(t))
	must(t, err)
	if got.Generation != generation || got.Bearer.Reveal() != bearer(l.Address(), generation) {
		t.Fatalf("generation %d is served, want %d", got.Generation, generation)
	}
	return got
}

// clock is a client's, and moves when told to.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()) }
func (c *clock) pass(d time.Duration) { c.nanos.Add(int64(d)) }

func TestOneQuestionForManyCallersAndNoneAfterwards(t *testing.T) {
	w := cell(t)
	c := w.service(nil)
	var done sync.WaitGroup
	for range 100 {
		done.Go(func() {
			if _, err := c.Link("op", "L1").Token(within(t)); err != nil { // a handle of its own each
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := w.questions(); n != 1 {
		t.Errorf("%d questions", n)
	}
	src := c.Link("op", "L1").TokenSource(within(t))
	got, err := src.Token()
	must(t, err)
	if got.AccessToken != bearer(first, 1) || got.RefreshToken != "" || w.questions() != 1 {
		t.Errorf("the source serves %v after %d questions", got.AccessToken != "", w.questions())
	}
}

// The library's own cache must not outlive ours.
func TestAReusingTokenSourceAsksAgain(t *testing.T) {
	w := cell(t)
	w.set(first, func(r *record) { r.expires = time.Now().Add(time.Hour) })
	got, err := oauth2.ReuseTokenSource(nil, w.service(nil).Link("op", "L1").TokenSource(within(t))).Token()
	must(t, err)
	if !got.Valid() || time.Until(got.Expiry) > 15*time.Second {
		t.Errorf("kept until %v", got.Expiry)
	}
}

func TestADeadBearerGoesWithItsAnnouncement(t *testing.T) {
	w := cell(t)
	l := w.service(nil).Link("op", "L1")
	serves(t, l, 1)
	w.rotate(first, false)
	waitFor(t, "generation 2", func() bool { got, err := l.Token(within(t)); return err == nil && got.Generation == 2 })
	if n := w.questions(); n != 2 {
		t.Errorf("%d questions", n)
	}
	if n := len(w.reported()); n != 0 {
		t.Errorf("%d reports of what was announced", n)
	}
}

// A bearer that still lives is served while its successor is fetched, and serves on
// where that cannot be had.
func TestALivingBearerIsReplacedWithoutWaiting(t *testing.T) {
	w := cell(t)
	c := w.service(nil)
	l := c.Link("op", "L1")
	serves(t, l, 1)
	w.stopServing()
	w.rotate(first, true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 100 {
		if _, err := l.Token(ctx); err != nil {
			t.Fatalf("a living bearer is not served: %v", err)
		}
	}
	w.serve()
	waitFor(t, "generation 2", func() bool { got, err := l.Token(ctx); return err == nil && got.Generation == 2 })
}

// A replica that lags answers with the generation before: one that is dead is not
// taken, one that lives is served until the announced one is there.
func TestAnswersThatLag(t *testing.T) {
	w := cell(t)
	l := w.service(nil).Link("op", "L1")
	old := serves(t, l, 1)
	w.set(first, func(r *record) { r.generation, r.lags = 2, 1 })
	got, err := l.Refused(within(t), old, "")
	must(t, err)
	if got.Generation != 2 || w.questions() != 3 {
		t.Fatalf("generation %d after %d questions", got.Generation, w.questions())
	}
	w.set(first, func(r *record) { r.lags = 1 })
	w.rotate(first, true)
	waitFor(t, "generation 3", func() bool { got, err := l.Token(within(t)); return err == nil && got.Generation == 3 })
	if n := w.questions(); n != 5 {
		t.Errorf("%d questions", n)
	}
}

func TestAMissedAnnouncementCostsOneRefusedRequest(t *testing.T) {
	w := cell(t)
	s := newShop(t, w)
	l := w.service(nil).Link("op", "L1")
	hc := l.Client()
	get(t, hc, s.URL)
	w.set(first, func(r *record) { r.generation++ }) // and nobody says so
	if status, _ := get(t, hc, s.URL); status != 200 || s.calls.Load() != 3 {
		t.Errorf("%d after %d calls", status, s.calls.Load())
	}
	serves(t, l, 2)
}

// A late 401 that was for an older generation is answered from memory (R17).
func TestR17ALate401ReportsNothing(t *testing.T) {
	w := cell(t)
	l := w.service(nil).Link("op", "L1")
	old := serves(t, l, 1)
	second, err := l.Refused(within(t), old, "invalid_token")
	must(t, err)
	again, err := l.Refused(within(t), old, "")
	must(t, err)
	if second.Generation != 2 || again != second || len(w.awaitReports(1)) != 1 {
		t.Errorf("generations %d and %d after %d reports", second.Generation, again.Generation, len(w.reported()))
	}
}

func TestR28ExpiringIsReportedAheadAndServed(t *testing.T) {
	w := cell(t)
	w.manual = true
	clock := newClock()
	w.set(first, func(r *record) { r.expires = clock.now().Add(time.Hour) })
	l := w.service(func(c *client.Config) { c.Now, c.Margin = clock.now, time.Minute }).Link("op", "L1")
	serves(t, l, 1)
	clock.pass(time.Hour - time.Minute - time.Second)
	serves(t, l, 1)
	w.settled()
	if n := len(w.reported()); n != 0 {
		t.Fatalf("%d reports before the margin", n)
	}
	clock.pass(2 * time.Second)
	for range 10 {
		serves(t, l, 1)
	}
	reports := w.awaitReports(1)
	if len(reports) != 1 || reports[0].Reason != events.ReasonExpiring || reports[0].Generation != 1 || w.questions() != 1 {
		t.Errorf("reported %+v after %d questions", reports, w.questions())
	}
}

func TestAnExpiredBearerIsAskedForAgain(t *testing.T) {
	w := cell(t)
	clock := newClock()
	w.set(first, func(r *record) { r.expires = clock.now().Add(time.Minute) })
	l := w.service(func(c *client.Config) { c.Now, c.Margin = clock.now, -1 }).Link("op", "L1")
	serves(t, l, 1)
	clock.pass(time.Minute)
	w.manual = true
	serves(t, l, 1) // the worker believes that it lives: our clock may be wrong
	serves(t, l, 1)
	if reports := w.awaitReports(1); reports[0].Reason != events.ReasonExpired || len(reports) != 1 || w.questions() != 2 {
		t.Errorf("reported %+v after %d questions", reports, w.questions())
	}
}

func TestWhyThereIsNoToken(t *testing.T) {
	w := cell(t)
	c := w.service(nil)
	for code, want := range map[api.Code]error{
		api.ConsentRequired: client.ErrConsentRequired, api.Uncertain: client.ErrUncertain,
		api.Superseded: client.ErrSuperseded, api.Replaced: client.ErrReplaced, api.Revoked: client.ErrRevoked,
		api.Quarantined: client.ErrQuarantined, api.Held: client.ErrHeld, api.Suspended: client.ErrSuspended,
		api.NotFound: client.ErrNotFound, api.NotPermitted: client.ErrNotPermitted, api.Invalid: client.ErrInvalid,
	} {
		a := events.Address{Tenant: "default", Provider: "op", Link: string(code)}
		w.set(a, func(r *record) {
			r.refusal = &api.Error{Code: code, Message: "because", Nickname: "Main bank", By: "L9", RetryAfter: 60}
		})
		_, err := c.Link("op", string(code)).Token(within(t))
		why := (*client.Error)(nil)
		if !errors.Is(err, want) || !errors.As(fmt.Errorf("wrapped: %w", err), &why) {
			t.Errorf("%s: %v", code, err)
			continue
		}
		if why.Address != a || why.By != "L9" || why.Nickname != "Main bank" || time.Until(why.Until) < 30*time.Second {
			t.Errorf("%s: %+v", code, why)
		}
	}
	if _, err := c.Link("op", "no.such>").Token(within(t)); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("malformed: %v", err)
	}
}

// A refusal is remembered for a moment, and forgotten as soon as the link changes.
func TestARefusalEndsWithTheNews(t *testing.T) {
	w := cell(t)
	w.set(first, func(r *record) { r.refusal = api.Refuse(api.ConsentRequired, "dead") })
	stopped := newClock()
	l := w.service(func(c *client.Config) { c.Now = stopped.now }).Link("op", "L1")
	for range 10 {
		if _, err := l.Token(within(t)); !errors.Is(err, client.ErrConsentRequired) {
			t.Fatal(err)
		}
	}
	if n := w.questions(); n != 1 {
		t.Errorf("%d questions for one refusal", n)
	}
	w.set(first, func(r *record) { r.refusal = nil })
	w.rotate(first, false)
	waitFor(t, "a token", func() bool { _, err := l.Token(within(t)); return err == nil })
}

func TestALoggedOutLinkIsNotServedFromMemory(t *testing.T) {
	w := cell(t)
	l := w.service(nil).Link("op", "L1")
	serves(t, l, 1)
	w.set(first, func(r *record) { r.refusal = api.Refuse(api.Revoked, "logged out") })
	w.announce(events.LinkRevoked{Address: first, Generation: 1, Consent: 1, Reason: "logout", AtProvider: true})
	waitFor(t, "the refusal", func() bool { _, err := l.Token(within(t)); return errors.Is(err, client.ErrRevoked) })
}

func TestServerAway(t *testing.T) {
	w := cell(t)
	c := w.service(func(c *client.Config) { c.Wait = 500 * time.Millisecond })
	l := c.Link("op", "L1")
	waitFor(t, "a token", func() bool { _, err := l.Token(within(t)); return err == nil })
	w.server.stop()
	serves(t, l, 1) // from memory
	if _, err := c.Link("op", "L2").Token(within(t)); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("a link that is not in memory: %v", err)
	}
	w.set(first, func(r *record) { r.generation = 2 })
	w.server.start()
	// What was announced meanwhile is not known: the bearer is looked at again.
	waitFor(t, "generation 2", func() bool { got, err := l.Token(within(t)); return err == nil && got.Generation == 2 })
}

func TestCloseEndsTheWait(t *testing.T) {
	w := cell(t)
	w.manual = true
	c := w.service(nil)
	l := c.Link("op", "L1")
	old := serves(t, l, 1)
	ended := make(chan error, 1)
	go func() { _, err := l.Refused(within(t), old, ""); ended <- err }()
	w.awaitReports(1)
	must(t, c.Close(within(t)))
	if err := next(t, "the end of the wait", ended); !errors.Is(err, client.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
	if _, err := c.Link("op", "L2").Token(within(t)); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
}

// Bearers that do not fit are asked for again, and the handles stay good.
func TestBoundedMemory(t *testing.T) {
	for _, perLink := range []bool{false, true} {
		w := cell(t)
		c := w.service(func(c *client.Config) { c.Links, c.PerLink = 2, perLink })
		var handles []*client.Link
		for i := range 4 {
			a := events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprint("M", i)}
			w.set(a, func(*record) {})
			handles = append(handles, c.Link(a.Provider, a.Link))
			serves(t, handles[i], 1)
		}
		serves(t, handles[0], 1)
		serves(t, handles[0], 1)
		if n := w.questions(); n != 5 {
			t.Errorf("per link %v: %d questions", perLink, n)
		}
		w.rotate(handles[0].Address(), false)
		waitFor(t, "generation 2", func() bool { got, err := handles[0].Token(within(t)); return err == nil && got.Generation == 2 })
	}
}

func TestNothingPrintsTheBearer(t *testing.T) {
	w := cell(t)
	l := w.service(nil).Link("op", "L1")
	got := serves(t, l, 1)
	type holder struct {
		Exported any
		hidden   client.Token
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{got, *got, holder{got, *got}, &holder{*got, *got}, []any{got}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "bearer-") || strings.Contains(text, "6265617265722d") {
				t.Errorf("%s of %T prints the bearer", verb, v)
			}
		}
	}
}
