package handlers_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// canary stands in every token and raw subject of these tests: wherever it is
// seen, a secret got out.
const canary = "canary"

var theLink = events.Address{Tenant: "default", Provider: "op", Link: "link-1"}

// world is one cell with one link, in which a test or a seed chooses every
// interleaving. Everything runs in one synctest bubble. A task is a coroutine: it
// stands still at each probe point and at each call of a dependency until it is
// told to go on, and only one goes at a time.
type world struct {
	t        *testing.T
	budget   budget.Budget
	rules    providers.Profile
	store    *watched
	keys     *seal.Keys
	broker   broker
	disk     disk
	provider *provider
	tasks    []*task
	current  *task
	mu       sync.Mutex // see pass
	// fault says whether something may go wrong here, once; nil: never.
	fault func(what string) bool
	// session is the owner of the user's session; nil: nobody answers.
	session func() (credentials.Credential, error)
	// locks says what a lock server answers; nil grants the lock to everybody.
	locks  func(p *process) error
	locked string // what was locked last
	// configure, if set, has the last word on what a process is made of; looks, if set,
	// is shown every write in place of the provider.
	configure func(p *process, cfg *handlers.Config)
	logged    *watchedLog
	looks     func(was, is links.Link)
	history   *history // of a simulation
	// lost: an answer was lost, or whoever knew that an attempt was not made may have
	// known too late.
	lost      bool
	timerLost bool // whatever it was to do waits for the reconciler
	// eager: a service uses a bearer as soon as it is served.
	eager bool
	// exclusive: a lock has one holder at a time, until it expires.
	exclusive bool
	leases    map[string]*lease
	// sharers, if set, says whose links have the token that a task is about.
	sharers func(t *task) string
}

// newWorld makes a cell with one imported link. Call it in a synctest bubble.
func newWorld(t *testing.T, replay providers.Replay) *world {
	t.Helper()
	return worldOf(t, providers.Profile{ClientID: "client", Rotation: "always", Replay: replay}, func(*handlers.ImportLine) {})
}

// worldOf is a world under a profile, whose link is imported with a change.
func worldOf(t *testing.T, rules providers.Profile, change func(*handlers.ImportLine)) *world {
	t.Helper()
	keys, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, budget: budget.Of(budget.Default), keys: keys, fault: func(string) bool { return false },
		rules: rules, leases: map[string]*lease{},
	}
	w.broker = broker{w: w, timers: map[events.Address]armed{}}
	w.disk = disk{files: map[string]*file{}, ever: map[string]bool{}, tried: map[string]bool{}}
	w.store = &watched{Store: memstore.New(time.Now), w: w}
	w.provider = newProvider(w)
	w.importLink(change)
	t.Cleanup(w.close)
	return w
}

func (w *world) importLink(change func(*handlers.ImportLine)) {
	first := w.provider.issue(nil)
	im := &handlers.Importer{
		Source: "//regrant/test", Tenants: []string{"default"}, Profiles: map[string]providers.Profile{"op": w.rules},
		Store: w.store, Index: w.store.Store, Keys: w.keys, Timers: &w.broker, Outputs: &w.broker, Budget: w.budget, Clock: time.Now,
	}
	line := handlers.ImportLine{
		Address: theLink, User: "user", Nickname: "login", Sub: canary + "-sub", Access: secret.New(first.access),
		Refresh: secret.New(first.refresh), ExpiresAt: time.Now().Add(time.Hour),
	}
	change(&line)
	if err := im.Import(context.Background(), line); err != nil {
		w.t.Fatal(err)
	}
}

// close ends every task, so that the bubble can end.
func (w *world) close() {
	for _, t := range w.tasks {
		t.p.dead = true
	}
	for _, t := range w.tasks {
		for !t.done {
			t.advance()
		}
	}
}

// process is one life of a worker.
type process struct {
	w    *world
	name string
	h    *handlers.Handlers
	dead bool
	skew time.Duration // of its clock
	fed  int           // stored events that its feed has shown it
	// heard is the newest generation among those.
	heard uint64
	asker *task // of useServed
	// end, if set, ends what the process runs beside its tasks.
	end func()
}

func (w *world) process(name string) *process { return w.skewed(name, 0) }

// skewed is a process whose host's clock is wrong.
func (w *world) skewed(name string, skew time.Duration) *process {
	p := &process{w: w, name: name, skew: skew, fed: len(w.broker.stored)}
	random := rand.New(rand.NewPCG(1, 2))
	cfg := handlers.Config{
		Worker: name, Source: "//regrant/test", Tenants: []string{"default"},
		Providers: map[string]handlers.Provider{"op": &client{w.provider, p}},
		Store:     w.store, Index: w.store.Store, Flows: memstore.NewFlows(time.Now), Keys: w.keys, Spool: &spooler{p}, Locker: &locker{p}, Timers: &w.broker, Outputs: &w.broker,
		Budget: w.budget, Clock: p.clock, StoreClock: w.storeClock, Credentials: w.credentials,
		Log: slog.New(slog.NewTextHandler(w.log(), &slog.HandlerOptions{Level: slog.LevelDebug})), Random: random.Float64, Known: 10, Probe: w.probe,
	}
	if w.configure != nil {
		w.configure(p, &cfg)
	}
	h, err := handlers.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	p.h = h
	return p
}

func (w *world) credentials(ctx context.Context, _ events.Address, _ uint64) (credentials.Credential, error) {
	w.yield(taskOf(ctx), "credentials")
	if w.session == nil {
		return credentials.Credential{}, credentials.ErrNobody
	}
	return w.session()
}

// storeClock answers late: what it says may be old when it arrives.
func (w *world) storeClock(ctx context.Context) (time.Time, error) {
	now := time.Now()
	w.yield(taskOf(ctx), "clock")
	if w.fault("clock is not told") {
		return time.Time{}, errAway
	}
	return now, nil
}

func (p *process) clock() time.Time { return time.Now().Add(p.skew) }

// crash is kill -9: what the process had in memory is gone, what it holds is
// free. Its disk stays.
func (p *process) crash() {
	p.dead = true
	if p.end != nil {
		p.end()
	}
	for _, t := range p.w.tasks {
		if t.p == p && t.parked {
			p.w.step(t)
		}
	}
	p.w.broker.drop(p)
}

// task is something that a process does, as a coroutine.
type task struct {
	p      *process
	msg    *message // the delivery it handles, if any
	point  string   // where it stands
	parked bool
	still  bool // a simulation lets others go on
	// arrived: it came to its point since a simulation looked last. late is what the count
	// of goings-on must reach before it goes on.
	arrived bool
	late    int
	done    bool
	resume  chan struct{}
}

type taskKey struct{}

func taskOf(ctx context.Context) *task {
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

// start begins a task, up to its first point.
func (p *process) start(msg *message, do func(ctx context.Context)) *task {
	t := &task{p: p, msg: msg, resume: make(chan struct{})}
	p.w.tasks = append(p.w.tasks, t)
	p.w.current = t
	go func() {
		defer func() { t.done = true }()
		grow()
		do(context.WithValue(context.Background(), taskKey{}, t))
	}()
	synctest.Wait()
	return t
}

// grow makes room on a task's stack at once: else each task's is copied, deep as it is,
// time and again.
//
//go:noinline
func grow() byte {
	var room [32 << 10]byte
	return room[len(os.Args)]
}

// yield is where a task stands still until its call of a dependency is answered.
func (w *world) yield(t *task, point string) {
	if t == nil {
		return // the importer's
	}
	w.stand(t, point)
	w.history.answered()
}

// stand is a point at which a task stands still. A task of a crashed process ends
// there.
func (w *world) stand(t *task, point string) {
	w.pass()
	if !t.p.dead {
		t.point, t.parked, t.arrived = point, true, true
		<-t.resume
	}
	if t.p.dead {
		runtime.Goexit()
	}
}

// pass orders what was done before time passed and what its passing wakes, for
// the race detector: a timer is no such order.
func (w *world) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
}

// probe makes every point of the procedure but the first two one to stand still
// at: those come out of a timer, when nobody has said whose turn it is.
func (w *world) probe(s handlers.Step, when handlers.When, _ events.Address) {
	if when == handlers.Before && (s == handlers.StepLock || s == handlers.StepRead) {
		return
	}
	w.stand(w.current, string(s)+":"+string(when))
}

// rest lets everything come to rest with these processes, and nothing go wrong.
func (w *world) rest(p ...*process) {
	w.fault = func(string) bool { return false }
	(&simulation{world: w, processes: p}).drain()
}

// step lets a task go to its next point, its end, or into a timer.
func (w *world) step(t *task) {
	t.parked = false
	w.current = t
	t.resume <- struct{}{}
	synctest.Wait()
}

// tell adds to the history of a simulation.
func (w *world) tell(format string, args ...any) { w.history.tell(format, args...) }

// sleep lets time pass for everybody.
func (w *world) sleep(d time.Duration) {
	w.pass()
	time.Sleep(d) // the bubble's time
	synctest.Wait()
}

// until runs a task up to a point.
func (t *task) until(point string) *task {
	t.p.w.t.Helper()
	for t.point != point || !t.parked {
		t.advance()
		if t.done {
			t.p.w.t.Fatalf("%s ended before %s: %+v", t.p.name, point, t.msg.last)
		}
	}
	return t
}

// end runs a task to its end and returns its verdict.
func (t *task) end() inbox.Verdict {
	for !t.done {
		t.advance()
	}
	if t.msg == nil {
		return inbox.Verdict{}
	}
	return t.msg.last
}

func (t *task) advance() {
	if t.parked {
		t.p.w.step(t)
	} else {
		t.p.w.sleep(t.p.w.budget.LockRenew / 10)
	}
}

// report makes a report of the bearer of a generation, as a reporter publishes it.
func (w *world) report(generation uint64) *message {
	return w.reportFor(events.TokenExpired{Address: theLink, Generation: generation, Reason: events.ReasonUnauthorized})
}

func (w *world) reportFor(d events.TokenExpired) *message {
	e, err := events.NewInput("//reporter", "report-"+time.Now().String(), time.Now(), events.Trace{}, d)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := events.Subjects{}.InputMessage(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.broker.add("REGRANT_IN", m.Subject, m.Header, m.Data)
}

// link is the record as it is.
func (w *world) link() links.Link {
	s, err := w.store.Store.Latest(context.Background(), theLink)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Link
}

// names are those of the stored events, in order.
func (w *world) names() []string {
	var out []string
	for _, o := range w.broker.stored {
		_, name, err := events.Subjects{}.ParseOut(o.Subject)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, string(name))
	}
	return out
}

func (w *world) wantEvents(names ...string) {
	w.t.Helper()
	if got := w.names(); !slices.Equal(got, append([]string{"link-created"}, names...)) {
		w.t.Errorf("events stored: %q, want %q after link-created", got, names)
	}
}

func (w *world) wantLink(status links.Status, generation uint64) {
	w.t.Helper()
	if l := w.link(); l.Status != status || l.Generation != generation {
		w.t.Errorf("the link is %s at generation %d, want %s at %d", l.Status, l.Generation, status, generation)
	}
}

func (w *world) wantPresentations(n int) {
	w.t.Helper()
	if w.provider.presentations != n {
		w.t.Errorf("the provider was asked %d times, want %d", w.provider.presentations, n)
	}
}

// wantArmed: the link's newest due has its timer.
func (w *world) wantArmed() {
	w.t.Helper()
	if l := w.link(); !l.Due.IsZero() && w.broker.timers[theLink].number != l.DueNumber {
		w.t.Errorf("due number %d has no timer; armed is %d", l.DueNumber, w.broker.timers[theLink].number)
	}
}

// watchedLog fails the test that logs a secret. REGRANT_TRACE=1 shows the log.
type watchedLog struct {
	t  *testing.T
	mu sync.Mutex // each worker's logger has one of its own
	// told are the lines about replayed inputs.
	told []string
}

func (w *world) log() *watchedLog {
	if w.logged == nil {
		w.logged = &watchedLog{t: w.t}
	}
	return w.logged
}

func (l *watchedLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(line, []byte(canary)) {
		l.t.Errorf("a secret was logged: %s", line)
	}
	if bytes.Contains(line, []byte("replayed input decided")) {
		l.told = append(l.told, string(line))
	}
	if traceOn {
		_, _ = io.WriteString(os.Stderr, time.Now().Format("15:04:05.000 ")+string(line))
	}
	return len(line), nil
}
