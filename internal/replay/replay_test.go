package replay_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second,
		Providers: map[string]fleet.Provider{"op": {Behaviour: providertest.Behaviour{AccessTTL: time.Hour}, Profile: p}},
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

// settled waits until every input is.
func (s *scene) settled() {
	s.t.Helper()
	testenv.Eventually(s.t, patience, "every input is settled", func() bool {
		of, err := s.Bus.JetStream().Consumer(s.t.Context(), s.Bus.Names().In(), s.Bus.Names().WorkerConsumer("op"))
		return err == nil && of.CachedInfo().NumPending == 0 && of.CachedInfo().NumAckPending == 0
	})
}

// history makes about so many inputs of all kinds.
func (s *scene) history(n int) {
	s.t.Helper()
	made, err := s.Import(s.t.Context(), "op", max(4, n/100))
	must(s.t, err)
	for round := 0; s.stored() < n; round++ { // the broker drops what is reported twice at once
		for i, l := range made {
			is, err := s.Link(s.t.Context(), l.Address)
			must(s.t, err)
			s.lives(l, (round+i)%20, is.Generation)
		}
		s.settled()
	}
}

// stored counts the inputs so far.
func (s *scene) stored() int {
	h, err := s.Bus.History(s.t.Context(), bus.WatchSpec{Stream: s.Bus.Names().In(), Stored: true})
	must(s.t, err)
	return int(h.Count)
}

func (s *scene) lives(l fleet.Link, what int, generation uint64) {
	switch {
	case what < 10:
		s.say(events.TokenExpired{Address: l.Address, Generation: generation, Reason: events.ReasonUnauthorized})
	case what < 12:
		s.say(events.TokenExpired{Address: l.Address, Generation: generation + 100, Reason: events.ReasonUnauthorized})
	case what < 14:
		s.say(events.TokenExpired{Address: l.Address, Fingerprint: events.Fingerprint(l.AccessToken), Reason: events.ReasonExpiring})
	case what < 16:
		s.consents(l)
	case what < 17:
		s.say(events.ReconsentCompleted{Address: l.Address, State: "unheard-of", Code: "code"})
	case what < 18:
		s.say(events.LinkReplacementDecided{Address: l.Address, Consent: generation, Decision: events.DecisionApprove})
	case what < 19:
		s.say(events.LogoutRequested{Address: l.Address, Scope: events.LogoutLink})
	default:
		s.Sim.Script("op", providertest.Fault{When: providertest.After, Kind: providertest.Reset})
		s.say(events.TokenExpired{Address: l.Address, Generation: generation, Reason: events.ReasonUnauthorized})
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
	s := newScene(t)
	s.history(n)
	before, presented, began := s.export(), s.presentations(), time.Now()
	foretold := s.run("dry", true)
	dry := time.Since(began)
	for _, run := range []string{"first", "second"} {
		did := s.run(run, false)
		if len(did) != len(foretold) || len(did) < n {
			t.Errorf("%d inputs were replayed, %d explained, of %d", len(did), len(foretold), n)
		}
		for number, want := range foretold {
			if did[number] != want {
				t.Errorf("run %s, number %d: explained %q, did %q", run, number, want, did[number])
			}
		}
	}
	if got := s.presentations(); got != presented {
		t.Errorf("%d presentations of replays", got-presented)
	}
	if after := s.export(); !reflect.DeepEqual(after, before) {
		t.Error("links changed")
	}
	kinds := map[string]int{}
	for _, what := range foretold {
		kinds[what]++
	}
	t.Logf("%d inputs, %d presentations when they were new; dry run %v; %v", len(foretold), presented, dry, kinds)
}

// Show 2: who lost a while gets exactly that while's outputs again; nobody else does.
func TestOneSubscriberGetsWhatItLost(t *testing.T) {
	s := newScene(t)
	s.history(40)
	var from, to uint64
	var want []string
	must(t, s.Bus.Watch(t.Context(), bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		if m.Sequence >= 5 && m.Sequence <= 14 {
			want = append(want, m.Header[events.HeaderMsgID][0]+string(m.Data))
			if from == 0 {
				from = m.Sequence
			}
			to = m.Sequence
		}
		return nil
	}))
	lost, err := s.Bus.Conn().SubscribeSync("lost.hour")
	must(t, err)
	live, err := s.Bus.Conn().SubscribeSync(s.Bus.Names().Subjects().LiveAll())
	must(t, err)
	must(t, s.Bus.Conn().Flush())
	r := &replay.Replay{Bus: s.Bus, Position: replay.Position{Run: "r", Selection: replay.Selection{First: from, Last: to, To: "lost.hour"}}}
	must(t, r.Begin(t.Context()))
	must(t, r.Do(t.Context()))
	var got []string
	for range want {
		m, err := lost.NextMsg(patience)
		must(t, err)
		got = append(got, m.Header.Get(events.HeaderMsgID)+string(m.Data))
		if n, ok := events.Replays(m.Header); !ok || n < from || n > to {
			t.Errorf("original number %d", n)
		}
	}
	if !reflect.DeepEqual(got, want) || r.Counts.Replayed != uint64(len(want)) {
		t.Errorf("got %d events, want %d", len(got), len(want))
	}
	if n, _, _ := lost.Pending(); n != 0 {
		t.Errorf("%d events too many", n)
	}
	if n, _, _ := live.Pending(); n != 0 {
		t.Errorf("others see %d events", n)
	}
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
		{Type: events.NameTokenRotated}, {Type: events.NameTokenExpired, To: "mine"}, {Type: "unheard-of"},
		{Address: events.Address{Tenant: "*"}}, {First: 3, Last: 2},
	} {
		if err := s.Validate(names); err == nil {
			t.Errorf("%+v is taken", s)
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
