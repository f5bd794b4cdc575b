package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
)

// asked is a request for a bearer, its answer, and when that came.
type asked struct {
	api.Bearer
	err  error
	took time.Duration
	done bool
}

// ask asks a process for the link's bearer, as a task.
func (p *process) ask(in api.Token) *asked {
	out := &asked{}
	p.start(nil, func(ctx context.Context) {
		since := time.Now()
		out.Bearer, out.err = p.h.Token(ctx, theLink, in)
		out.took, out.done = time.Since(since), true
	})
	return out
}

// useServed is what a service does: it asks for a bearer of some generation, waits
// for it if need be, and sends it to the provider. One at a time: which of two that are
// woken together makes the reading that they share is not drawn by a seed.
func (p *process) useServed(least uint64) {
	if p.asker != nil && !p.asker.done {
		return
	}
	wait := float64(30) - float64(len(p.w.tasks)%100)/10 // no two are woken by one moment's end
	p.asker = p.start(nil, func(ctx context.Context) {
		out, err := p.h.Token(ctx, theLink, api.Token{MinGeneration: least, Wait: wait})
		if err != nil {
			return
		}
		p.w.mu.Lock() // one time may wake several
		defer p.w.mu.Unlock()
		g := p.w.provider.byAccess[string(out.AccessToken)]
		if g == nil || out.Generation < least {
			p.w.t.Errorf("generation %d was asked for, and %+v served", least, out)
			return
		}
		g.used = true
	})
}

// answered asks and goes on until there is an answer.
func (w *world) answered(p *process, in api.Token) *asked {
	w.t.Helper()
	out := p.ask(in)
	task := w.tasks[len(w.tasks)-1]
	task.end()
	return out
}

func (a *asked) wantServed(t *testing.T, w *world, generation uint64) {
	t.Helper()
	if !a.done || a.err != nil || a.Generation != generation {
		t.Fatalf("asked: %+v, want generation %d", a, generation)
	}
	if g := w.provider.byAccess[string(a.AccessToken)]; g == nil {
		t.Fatal("what was served is not a bearer of the provider's")
	}
}

func (a *asked) wantRefused(t *testing.T, code api.Code) *api.Error {
	t.Helper()
	var e *api.Error
	if !a.done || !errors.As(a.err, &e) || e.Code != code || a.AccessToken != "" {
		t.Fatalf("asked: %+v, want %s", a, code)
	}
	return e
}

// put writes the record as a test wants it.
func (w *world) put(change func(*links.Link)) {
	w.t.Helper()
	s, err := w.store.Store.Latest(context.Background(), theLink)
	if err != nil {
		w.t.Fatal(err)
	}
	change(&s.Link)
	if _, err := w.store.Store.Update(context.Background(), s.Link, s.Revision); err != nil {
		w.t.Fatal(err)
	}
}

func TestTheBearerIsServedWithWhatIsKnownOfIt(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.put(func(l *links.Link) { l.Scopes = []string{"accounts"} })
		l := w.link()
		got := w.answered(w.process("a"), api.Token{})
		want := api.Bearer{
			AccessToken: api.Secret(w.provider.tokens(l).access), TokenType: "Bearer", Generation: 1, Consent: 1,
			ExpiresAt: l.ExpiresAt.UTC(), Scopes: l.Scopes, Fingerprint: l.Fingerprint, Status: "active",
		}
		if got.err != nil || !reflect.DeepEqual(got.Bearer, want) {
			t.Errorf("got %+v, %v, want %+v", got.Bearer, got.err, want)
		}
	})
}

// bearers are the conditions in which a bearer can be.
var bearers = map[string]struct {
	alive bool
	make  func(*links.Link)
}{
	"alive":         {true, func(*links.Link) {}},
	"without end":   {true, func(l *links.Link) { l.ExpiresAt = time.Time{} }},
	"refused":       {false, func(l *links.Link) { l.Refused = true }},
	"expired":       {false, func(l *links.Link) { l.ExpiresAt = time.Now() }},
	"there is none": {false, func(l *links.Link) { l.Fingerprint = "" }},
}

// states say what each state of a link answers where it has no bearer that will
// do, whether that is worth waiting for, and whether a living bearer is served.
var states = map[links.Status]struct {
	serves, open bool
	code         api.Code
}{
	links.Active:          {true, true, api.Pending},
	links.Refreshing:      {true, true, api.Pending},
	links.Unverified:      {true, true, api.Pending},
	links.Uncertain:       {true, true, api.Uncertain},
	links.Held:            {true, false, api.Held},
	links.ConsentRequired: {false, false, api.ConsentRequired},
	links.Replaced:        {false, false, api.Replaced},
	links.Superseded:      {false, false, api.Superseded},
	links.Revoked:         {false, false, api.Revoked},
	links.Quarantined:     {false, false, api.Quarantined},
}

func TestEachStateAnswersForEachBearer(t *testing.T) {
	for status, state := range states {
		for name, bearer := range bearers {
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				in(t, "forbidden", func(w *world) {
					w.put(func(l *links.Link) { l.Status = status; bearer.make(l) })
					a := w.process("a")
					const wait = 5
					if got := w.answered(a, api.Token{MinGeneration: 1, Wait: wait}); state.serves && bearer.alive {
						got.wantServed(t, w, 1)
					} else if e := got.wantRefused(t, state.code); e.Link != theLink.Link || e.Generation != 1 {
						t.Errorf("refused with %+v", e)
					}
					next := w.answered(a, api.Token{MinGeneration: 2, Wait: wait})
					_ = next.wantRefused(t, state.code)
					if waited := next.took >= wait*time.Second; waited != state.open {
						t.Errorf("was refused after %v", next.took)
					}
				})
			})
		}
	}
}

// The refusals that say more than their code.
func TestRefusalsSayHowToGoOn(t *testing.T) {
	other := events.Address{Tenant: "default", Provider: "op", Link: "L-next"}
	for name, c := range map[string]struct {
		change func(*links.Link)
		code   api.Code
		want   api.Error
		says   string
		waits  bool
	}{
		"the user is needed": {func(l *links.Link) { l.Status = links.ConsentRequired }, api.ConsentRequired, api.Error{Nickname: "login"}, "begin a consent", false},
		"credentials are": {func(l *links.Link) {
			l.Status, l.Awaiting = links.ConsentRequired, &links.Awaiting{}
		}, api.ConsentRequired, api.Error{Nickname: "login"}, "credentials are wanted", false},
		"a decision is": {func(l *links.Link) {
			l.Status, l.Hold = links.ConsentRequired, &links.Hold{By: other}
		}, api.Held, api.Error{Nickname: "login"}, "link-replacement-decided", false},
		"the user's own link": {func(l *links.Link) { l.Status, l.Successor = links.Replaced, &other }, api.Replaced, api.Error{By: "L-next"}, "use the link", false},
		"another user's link": {func(l *links.Link) { l.Status, l.Successor = links.Superseded, &other }, api.Superseded, api.Error{}, "another user", false},
		"the user consents now": {func(l *links.Link) {
			l.Status, l.Exchange = links.ConsentRequired, &links.Exchange{}
		}, api.ConsentRequired, api.Error{Nickname: "login"}, "", true},
		"the bearer has ended":  {func(l *links.Link) { l.Refused = true }, api.Pending, api.Error{}, "report it", false},
		"and is being replaced": {func(l *links.Link) { l.Status, l.Refused = links.Refreshing, true }, api.Pending, api.Error{}, "report it", true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, "forbidden", func(w *world) {
				w.put(c.change)
				got := w.answered(w.process("a"), api.Token{Wait: 2})
				e := *got.wantRefused(t, c.code)
				if strings.Contains(fmt.Sprintf("%+v", e), "L-next") != (c.want.By == "L-next") || !strings.Contains(e.Message, c.says) {
					t.Errorf("refused with %+v", e)
				}
				if e.Nickname != c.want.Nickname || e.By != c.want.By || (got.took > 0) != c.waits {
					t.Errorf("refused with %+v after %v", e, got.took)
				}
			})
		})
	}
}

func TestWhatIsNotThere(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		for _, at := range []events.Address{
			{Tenant: "default", Provider: "op", Link: "none"}, {Tenant: "default", Provider: "none", Link: theLink.Link}, {Tenant: "none", Provider: "op", Link: theLink.Link},
		} {
			_, err := a.h.Token(w.t.Context(), at, api.Token{Wait: 5})
			_ = (&asked{err: err, done: true}).wantRefused(t, api.NotFound)
		}
		_, err := a.h.Token(w.t.Context(), theLink, api.Token{Wait: 31})
		_ = (&asked{err: err, done: true}).wantRefused(t, api.Invalid)
		w.store.away = true
		_ = w.answered(a, api.Token{}).wantRefused(t, api.Unavailable)
	})
}

// suspendedApp is a keeper that knows the provider's registration to be refused, from
// a worker whose clock is an hour ahead.
func suspendedApp(t *testing.T) *apps.Keeper {
	t.Helper()
	store := memstore.NewApps(time.Now)
	a, _ := apps.New("op").Suspend("invalid_client", theLink, time.Now().Add(time.Hour), time.Minute)
	if _, err := store.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	k, err := apps.Start(t.Context(), apps.Config{Apps: []string{"op"}, Worker: "a", Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Stop)
	return k
}

func TestASuspendedAppServesWhatLives(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		a.h.Apps = suspendedApp(w.t)
		w.answered(a, api.Token{}).wantServed(t, w, 1)
		for what, change := range map[string]func(*links.Link){
			"refused": func(l *links.Link) { l.Refused = true }, "expired": func(l *links.Link) { l.ExpiresAt = time.Now() },
		} {
			w.put(change)
			got := w.answered(a, api.Token{Wait: 5})
			if e := got.wantRefused(t, api.Suspended); e.RetryAfter <= 0 || e.RetryAfter > w.budget.Probe.Seconds() || got.took > 0 {
				t.Errorf("%s: %+v after %v", what, e, got.took)
			}
		}
		w.put(func(l *links.Link) { l.Status = links.Refreshing }) // it may be the probe
		_ = w.answered(a, api.Token{}).wantRefused(t, api.Pending)
	})
}

// A follower lags behind what was asked for, what this worker knows, or a verdict.
func TestALaggingFollowerIsNotBelieved(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b := w.process("a"), w.process("b")
		a.take(w.report(1)).end()
		w.fault = func(what string) bool { return what == "stale read" }
		w.answered(b, api.Token{MinGeneration: 2}).wantServed(t, w, 2)
		w.answered(b, api.Token{}).wantServed(t, w, 2) // the older record has no bearer that lives
		w.store.older[len(w.store.older)-1].Link.Refused = false
		w.answered(b, api.Token{}).wantServed(t, w, 1) // it has heard of no other
		b.feed()
		w.answered(b, api.Token{}).wantServed(t, w, 2)
	})
}

// A store that was restored has a bearer that was replaced: nobody is given it.
func TestARecordOlderThanWhatWasAnnouncedServesNothing(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, backup := w.process("a"), w.link()
		a.take(w.report(1)).end()
		w.put(func(l *links.Link) { *l = backup })
		_ = w.answered(a, api.Token{}).wantRefused(t, api.Uncertain)
	})
}

func TestEveryReadIsNoted(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		var log logBuffer
		counts := prometheus.NewRegistry()
		a.h.Log, a.h.Metrics = log.logger(), handlers.NewMetrics(counts)
		w.answered(a, api.Token{})
		fingerprint := w.link().Fingerprint
		if line := log.String(); !strings.Contains(line, `msg="token read"`) || !strings.Contains(line, "link="+theLink.Link) ||
			!strings.Contains(line, "generation=1 fingerprint="+fingerprint) || strings.Contains(line, canary) {
			t.Errorf("logged %s", line)
		}
		w.put(func(l *links.Link) { l.Status = links.Revoked })
		w.answered(a, api.Token{})
		if !strings.Contains(log.String(), `msg="token refused"`) || !strings.Contains(log.String(), "code=revoked") {
			t.Errorf("logged %s", log.String())
		}
		_, _ = a.h.Token(w.t.Context(), events.Address{Tenant: "default", Provider: "anything", Link: "l"}, api.Token{})
		want := map[string]float64{"op served": 1, "op revoked": 1, "unknown not_found": 1}
		if got := reads(t, counts); !maps.Equal(got, want) {
			t.Errorf("counted %v, want %v", got, want)
		}
	})
}

// reads are the requests for bearers that were counted, by provider and outcome.
func reads(t *testing.T, counts prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := counts.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "regrant_token_reads_total" {
				out[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}
