package replay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/replay"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait: for no machine to be too slow.
const patience = 2 * time.Minute

const redirectURI = "http://127.0.0.1:1/callback"

// told collects what a worker says about replayed inputs, by run and original.
type told struct {
	slog.Handler
	mu  *sync.Mutex
	did map[string]string
}

func newTold() *told { return &told{slog.DiscardHandler, &sync.Mutex{}, map[string]string{}} }

func (l *told) Enabled(context.Context, slog.Level) bool { return true }
func (l *told) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *told) WithGroup(string) slog.Handler            { return l }

func (l *told) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "replayed input decided" {
		return nil
	}
	is := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { is[a.Key] = a.Value.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did[is["run"]+"/"+is["replays"]] = is["verdict"] + " " + is["reason"] // the last delivery's: earlier ones may have waited for another of the link
	return nil
}

func (l *told) of(run string) map[uint64]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[uint64]string{}
	for key, what := range l.did {
		if of, number, _ := strings.Cut(key, "/"); of == run {
			n, _ := strconv.ParseUint(number, 10, 64)
			all[n] = what
		}
	}
	return all
}

// scene is a cell with one worker and a history.
type scene struct {
	*fleet.Cell
	t    *testing.T
	told *told
}

func newScene(t *testing.T) *scene {
	t.Helper()
	p, err := providers.Builtin("generic")
	must(t, err)
	p.Rotation, p.MinInterval = providers.RotationAlways, 0
	cell, err := fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 300 * time.Millisecond,
		Providers: map[string]fleet.Provider{"op": {Profile: p, Behaviour: providertest.Behaviour{
			AccessTTL: 24 * time.Hour, RefreshTTL: 30 * 24 * time.Hour, RefreshExpiryField: "refresh_token_expires_in",
		}}},
	})
	must(t, err)
	t.Cleanup(func() { ends(t, cell.Close) })
	s := &scene{cell, t, newTold()}
	w, err := cell.Start(t.Context(), "w", func(o *worker.Options) { o.Log = slog.New(s.told) })
	must(t, err)
	t.Cleanup(func() { ends(t, w.Stop) })
	return s
}

func (s *scene) say(d events.Data) {
	s.t.Helper()
	e, err := events.NewInput("//app", fmt.Sprint(time.Now().UnixNano()), time.Now(), events.Trace{}, d)
	must(s.t, err)
	m, err := s.Bus.Names().Subjects().InputMessage(e)
	must(s.t, err)
	must(s.t, s.Bus.PublishInput(s.t.Context(), m))
}

// settled waits until every input is, and every timer that fired.
func (s *scene) settled() {
	s.t.Helper()
	names := s.Bus.Names()
	for stream, durable := range map[string]string{names.In(): names.WorkerConsumer("op"), names.Timer(): names.DueConsumer("op")} {
		testenv.Eventually(s.t, patience, stream+" is settled", func() bool {
			of, err := s.Bus.JetStream().Consumer(s.t.Context(), stream, durable)
			return err == nil && of.CachedInfo().NumPending == 0 && of.CachedInfo().NumAckPending == 0
		})
	}
}

// atRest waits until no link is due for anything in the hour to come.
func (s *scene) atRest() {
	s.t.Helper()
	testenv.Eventually(s.t, patience, "nothing is due", func() bool {
		return !slices.ContainsFunc(s.export(), func(l links.Link) bool {
			return !l.Alarm().IsZero() && time.Until(l.Alarm()) < time.Hour || l.Exchange != nil
		})
	})
	s.settled()
}

// history makes about so many inputs and outputs of all kinds, in rounds: each link's next
// input is about what its last one came to.
func (s *scene) history(n int) {
	s.t.Helper()
	made, err := s.Import(s.t.Context(), "op", max(4, n/perLink))
	must(s.t, err)
	for round := 0; s.stored(s.Bus.Names().In())+s.stored(s.Bus.Names().Out()) < n; round++ {
		for i, l := range made {
			is, err := s.Link(s.t.Context(), l.Address)
			must(s.t, err)
			s.lives(l, (round+i)%20, is)
		}
		s.settled()
	}
	s.atRest()
}

// perLink is how many events of a history are one link's. A round takes as long as the
// workers' patience with an answer that is lost, so fewer links are more rounds.
const perLink = 50

// stored counts what a stream holds.
func (s *scene) stored(stream string) int {
	h, err := s.Bus.History(s.t.Context(), bus.WatchSpec{Stream: stream, Stored: true})
	must(s.t, err)
	return int(h.Count)
}

// lives is what happens to a link next: of 20 things, each in its turn.
func (s *scene) lives(l fleet.Link, what int, is links.Link) {
	switch what {
	default:
		s.say(events.TokenExpired{Address: l.Address, Generation: is.Generation, Reason: events.ReasonUnauthorized})
	case 5:
		s.say(events.TokenExpired{Address: l.Address, Generation: is.Generation + 100, Reason: events.ReasonUnauthorized})
	case 6, 19:
		s.say(events.TokenExpired{Address: l.Address, Fingerprint: events.Fingerprint(l.AccessToken), Reason: events.ReasonExpiring})
	case 10:
		if is.Status == links.Active { // somebody's answer is lost
			s.Sim.Script("op", providertest.Fault{When: providertest.After, Kind: providertest.Reset})
		}
		s.say(events.TokenExpired{Address: l.Address, Generation: is.Generation, Reason: events.ReasonUnauthorized})
	case 11, 17:
		s.consents(l)
	case 14:
		s.say(events.ReconsentCompleted{Address: l.Address, State: "unheard-of", Code: "code"})
	case 15:
		s.say(events.LinkReplacementDecided{Address: l.Address, Consent: is.Consent, Decision: events.DecisionApprove})
	case 16:
		s.say(events.LogoutRequested{Address: l.Address, Scope: events.LogoutLink})
	}
}

func (s *scene) consents(l fleet.Link) {
	is, err := s.Link(s.t.Context(), l.Address)
	must(s.t, err)
	var begun api.ConsentBegun
	must(s.t, s.Bus.Request(s.t.Context(), s.Bus.Names().Subjects().API("default", api.VerbConsentBegin), api.ConsentBegin{
		Provider: "op", Link: l.Link, User: is.User, RedirectURI: redirectURI, Scopes: []string{"openid"},
	}, &begun))
	back, err := s.Sim.Consent(begun.AuthorizeURL, l.Sub)
	must(s.t, err)
	s.say(events.ReconsentCompleted{Address: l.Address, State: begun.State, Code: events.Code(back.Code), Iss: back.Iss})
}

// export is every link as it is.
func (s *scene) export() (all []links.Link) {
	s.t.Helper()
	defer func() {
		slices.SortFunc(all, func(a, b links.Link) int { return strings.Compare(a.Token(), b.Token()) })
	}()
	must(s.t, s.Store.List(s.t.Context(), events.Address{}, func(got links.Stored) bool {
		all = append(all, got.Link)
		return true
	}))
	return all
}

func (s *scene) presentations() int {
	ledger, err := s.Sim.Ledger()
	must(s.t, err)
	return len(ledger.Presentations(providertest.Filter{}))
}

// run goes through all history, and says what became of each input.
func (s *scene) run(id string, dry bool) map[uint64]string {
	s.t.Helper()
	got := map[uint64]string{}
	r := &replay.Replay{Bus: s.Bus, Position: replay.Position{Run: id, Selection: replay.Selection{First: 1}}, DryRun: dry, Tell: func(r replay.Result) error {
		if r.Explanation != nil {
			got[r.Sequence] = string(r.Verdict) + " " + r.Reason
		}
		return nil
	}}
	must(s.t, r.Begin(s.t.Context()))
	must(s.t, r.Do(s.t.Context()))
	if !dry {
		s.settled()
		return s.told.of(id)
	}
	return got
}

// Show 1: a history of mixed events, replayed twice, presents nothing and changes no
// link, and every input comes to what the dry run said. REGRANT_REPLAY=50000 is its full
// length.
func TestAReplayedHistoryChangesNothing(t *testing.T) {
	n := 400
	if v, err := strconv.Atoi(os.Getenv("REGRANT_REPLAY")); err == nil {
		n = v
	}
	s, began := newScene(t), time.Now()
	s.history(n)
	inputs, outputs := s.stored(s.Bus.Names().In()), s.stored(s.Bus.Names().Out())
	before, presented := s.export(), s.presentations()
	t.Logf("%v: a history of %d events, %d inputs and %d outputs; %d presentations; links: %v; outputs: %v", time.Since(began).Round(time.Second), inputs+outputs, inputs, outputs, presented, states(before), s.announced())
	foretold := s.run("dry", true)
	t.Logf("%v: the dry run, verdicts: %v", time.Since(began).Round(time.Second), kinds(foretold))
	for _, run := range []string{"first", "second"} {
		s.wantAsForetold(run, foretold)
		if got := s.sentAgain(run); got != outputs {
			t.Errorf("run %s: %d of %d outputs were sent again", run, got, outputs)
		}
		t.Logf("%v: replayed, the %s time", time.Since(began).Round(time.Second), run)
	}
	if len(foretold) != inputs {
		t.Errorf("%d of %d inputs were replayed", len(foretold), inputs)
	}
	if got := s.presentations(); got != presented {
		t.Errorf("%d presentations of replays", got-presented)
	}
	if after := s.export(); !reflect.DeepEqual(after, before) {
		t.Error("links changed")
	}
	if got := s.stored(s.Bus.Names().Out()); got != outputs {
		t.Errorf("%d new outputs", got-outputs)
	}
}

// wantAsForetold replays all inputs, and holds what became of each against the dry run.
func (s *scene) wantAsForetold(run string, foretold map[uint64]string) {
	s.t.Helper()
	did := s.run(run, false)
	if len(did) != len(foretold) {
		s.t.Errorf("run %s: %d inputs were replayed, %d explained", run, len(did), len(foretold))
	}
	for number, want := range foretold {
		if did[number] != want {
			s.t.Errorf("run %s, number %d: explained %q, did %q", run, number, want, did[number])
		}
	}
}

// sentAgain sends all outputs to a subject of their own, and counts what arrives.
func (s *scene) sentAgain(run string) int {
	s.t.Helper()
	var got atomic.Int64
	sub, err := s.Bus.Conn().Subscribe("again."+run, func(*nats.Msg) { got.Add(1) })
	must(s.t, err)
	defer func() { must(s.t, sub.Unsubscribe()) }()
	r := &replay.Replay{Bus: s.Bus, Position: replay.Position{Run: run, Selection: replay.Selection{First: 1, To: "again." + run}}}
	must(s.t, r.Begin(s.t.Context()))
	must(s.t, r.Do(s.t.Context()))
	testenv.Eventually(s.t, patience, "everything that was sent arrives", func() bool { return uint64(got.Load()) >= r.Counts.Replayed })
	return int(got.Load())
}

// announced counts the outputs by name.
func (s *scene) announced() map[events.Name]int {
	n := map[events.Name]int{}
	must(s.t, s.Bus.Watch(s.t.Context(), bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		_, name, err := s.Bus.Names().Subjects().ParseOut(m.Subject)
		n[name]++
		return err
	}))
	return n
}

func kinds(of map[uint64]string) map[string]int {
	n := map[string]int{}
	for _, what := range of {
		n[what]++
	}
	return n
}

func states(of []links.Link) map[links.Status]int {
	n := map[links.Status]int{}
	for _, l := range of {
		n[l.Status]++
	}
	return n
}

// A run that is stopped, or killed without a word, goes on and doubles nothing.
func TestAResumedRunDoublesNothing(t *testing.T) {
	s := newScene(t)
	s.history(40)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	file := filepath.Join(t.TempDir(), "position.json")
	n := 0
	r := &replay.Replay{Bus: s.Bus, Position: replay.Position{Run: "R", Selection: replay.Selection{First: 1}}, Save: func(p replay.Position) error {
		if n++; n == 5 {
			must(t, p.Save(file))
		}
		if n == 12 {
			stop() // what came since the file was written is not in it
		}
		return nil
	}}
	must(t, r.Begin(ctx))
	total := r.Counts.Total
	if err := r.Do(ctx); err == nil {
		t.Fatal("it was not stopped")
	}
	p, err := replay.Load(file)
	must(t, err)
	again := &replay.Replay{Bus: s.Bus, Position: p}
	must(t, again.Begin(t.Context()))
	must(t, again.Do(t.Context()))
	seen := map[uint64]int{}
	must(t, s.Bus.Watch(t.Context(), bus.WatchSpec{Stream: s.Bus.Names().In(), Stored: true}, func(m *inbox.Message) error {
		if original, ok := events.Replays(m.Header); ok {
			seen[original]++
		}
		return nil
	}))
	if uint64(len(seen)) != total {
		t.Errorf("%d of %d were replayed", len(seen), total)
	}
	for number, times := range seen {
		if times != 1 {
			t.Errorf("number %d was replayed %d times", number, times)
		}
	}
	s.settled()
}

func TestATargetIsASubjectOfOnesOwn(t *testing.T) {
	names := bus.Names{}
	for _, to := range []string{
		"regrant", "regrant.out.a.b.c.token-rotated", "regrant.live.a.b.c.token-rotated", "regrant.in.a.b.c.token-expired", "$JS.API.INFO",
		"$KV.regrant_links.a", "_INBOX.x", "a.*", "a.>", "a b", "a..b", ".a", "a.",
	} {
		if err := (replay.Selection{To: to}).Validate(names); err == nil {
			t.Errorf("%q is taken", to)
		}
	}
	if err := (replay.Selection{To: "mine.again"}).Validate(names); err != nil {
		t.Error(err)
	}
	for _, s := range []replay.Selection{
		{Types: []events.Name{events.NameTokenRotated}}, {Types: []events.Name{events.NameTokenExpired}, To: "mine"}, {Types: []events.Name{"unheard-of"}},
		{Types: []events.Name{events.NameTokenExpired, events.NameTokenExpired}}, {Types: []events.Name{events.NameTokenExpired, events.NameTokenRotated}},
		{Address: events.Address{Tenant: "*"}}, {First: 3, Last: 2},
	} {
		if err := s.Validate(names); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

// Other cells may share the server: what is sent to one of theirs is no message to a
// subscriber.
func TestATargetIsNoOtherCells(t *testing.T) {
	s := newScene(t)
	_, err := s.Import(t.Context(), "op", 1)
	must(t, err)
	other, err := bus.Connect(t.Context(), bus.Config{URL: s.Config.NATS.URL, Prefix: "second.cell", Role: "operator", Name: "operator", Budget: s.Config.Budget()})
	must(t, err)
	t.Cleanup(func() { ends(t, other.Close) })
	_, err = other.Provision(t.Context(), bus.Plan{Prefix: "second.cell", Providers: []string{"op"}})
	must(t, err)
	for to, refused := range map[string]bool{
		"second.cell.live.default.op.A.token-rotated": true, "second.cell.api.default.op.A.token": true, "second.cell": true,
		"second.cellar": false, "second": false,
	} {
		r := &replay.Replay{Bus: s.Bus, Position: replay.Position{Run: "r", Selection: replay.Selection{First: 1, To: to}}}
		if err := r.Begin(t.Context()); errors.Is(err, replay.ErrSelection) != refused {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func ends(t *testing.T, end func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
