package handlers_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// cell is a world of consents: users, their links, and logins that any of them may
// consent with. What makes processes coroutines it has from world; its stores,
// its streams and its provider are its own, because they know many links.
type cell struct {
	*world
	server *serverClock
	book   *linkBook
	flows  *flowBook
	out    *stream
	op     *op
	trips  []*trip
	apart  []*trip    // that are judged by what comes of them alone
	forged []*message // callbacks that name a flow which is not theirs
	// mistakes are reports of generations that were not there yet.
	mistakes []*message
	// imported are the subjects of links that were imported.
	imported map[events.Address]string
	bank     bool      // there is another provider with the same registration
	api      *process  // answers requests, and handles nothing
	adoptAt  time.Time // when workers look for orphaned answers next
	// sparse leaves out the points between two calls of dependencies: nothing that
	// anybody else could see happens there.
	sparse bool
	// inHand is since when somebody has a spooled answer, searched how many tasks there
	// were when a process looked into the spool last.
	inHand   map[string]time.Time
	searched map[*process]int
	audit    audit.Teller // nil: nobody is told
}

// serverClock is the stores' own: no two of their writes have the same time.
type serverClock struct{ last time.Time }

func (c *serverClock) now() time.Time {
	c.last = c.last.Add(1)
	if now := time.Now(); now.After(c.last) {
		c.last = now
	}
	return c.last
}

// newCell makes a cell without links. Call it in a synctest bubble.
func newCell(t *testing.T, keys *seal.Keys) *cell {
	w := &world{
		t: t, budget: budget.Of(budget.Default), keys: keys, fault: func(string) bool { return false },
		rules:  providers.Profile{ClientID: "client", Issuer: "https://op.example", Rotation: "always", OnDifferentLogin: "replace", Scopes: []string{"accounts"}},
		leases: map[string]*lease{},
	}
	w.broker = broker{w: w, timers: map[events.Address]armed{}}
	w.disk = disk{files: map[string]*file{}, ever: map[string]bool{}, tried: map[string]bool{}}
	c := &cell{world: w, server: &serverClock{}, imported: map[events.Address]string{}, inHand: map[string]time.Time{}, searched: map[*process]int{}}
	c.book, c.flows, c.out, c.op = newLinkBook(c), newFlowBook(c), newStream(c), newOP(c)
	t.Cleanup(w.close)
	return c
}

// cellKeys seal for every cell: to make them takes longer than many a test.
var cellKeys = func() *seal.Keys {
	keys, err := seal.Generate()
	if err != nil {
		panic(err)
	}
	return keys
}()

// inCell runs a test in a bubble and a cell of its own.
func inCell(t *testing.T, test func(c *cell)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newCell(t, cellKeys)) })
}

// worker is one life of a worker of the cell.
func (c *cell) worker(name string) *process { return c.late(name, 0) }

// late is a worker whose host's clock is wrong.
func (c *cell) late(name string, skew time.Duration) *process {
	p := &process{w: c.world, name: name, skew: skew, fed: len(c.out.all)}
	random := rand.New(rand.NewPCG(1, 2))
	h, err := handlers.New(handlers.Config{
		Worker: name, Source: "//regrant/test", Tenants: []string{"default", "other"},
		Providers: c.providers(p),
		Store:     c.book, Index: c.book, Flows: c.flows, Keys: c.keys, Spool: &host{&spooler{p}, c}, Locker: &locker{p}, Timers: &c.broker, Outputs: c.out,
		Budget: c.budget, Clock: p.clock, StoreClock: func(context.Context) (time.Time, error) { return c.server.now(), nil }, Credentials: c.credentials,
		Log: slog.New(slog.NewTextHandler(c.log(), &slog.HandlerOptions{Level: slog.LevelDebug})), Random: random.Float64, Known: 10, Probe: c.point,
		Forward: c.forward, Audit: c.audit,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	p.h = h
	return p
}

// providers are op and, where the test has one, a bank behind op's registration.
func (c *cell) providers(p *process) map[string]handlers.Provider {
	all := map[string]handlers.Provider{"op": &asker{c.op, p}}
	if c.bank {
		all["bank"] = &asker{c.op, p}
	}
	return all
}

func (c *cell) point(s handlers.Step, when handlers.When, a events.Address) {
	if !c.sparse {
		c.probe(s, when, a)
	}
}

// learn shows a process the next stored event that its feed has not shown.
func (c *cell) learn(p *process) {
	if p.fed >= len(c.out.all) {
		return
	}
	m := c.out.all[p.fed]
	p.fed++
	a, _, err := events.Subjects{}.ParseOut(m.Subject)
	if err != nil {
		c.t.Fatal(err)
	}
	p.h.Learn(a, m.Header)
	synctest.Wait()
}

// imports makes a link of a login that was obtained elsewhere.
func (c *cell) imports(user, link string, who *login) events.Address {
	c.t.Helper()
	a := at(link)
	if err := c.tryImport(user, a, who); err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *cell) tryImport(user string, a events.Address, who *login) error {
	c.imported[a] = c.subject(who)
	first := c.op.issue(who, &grantOf{who: who})
	im := &handlers.Importer{
		Source: "//regrant/test", Tenants: []string{"default"}, Profiles: map[string]providers.Profile{"op": c.rules, "bank": c.rules},
		Store: c.book, Index: c.book, Keys: c.keys, Timers: &c.broker, Outputs: c.out, Budget: c.budget, Clock: time.Now,
	}
	return im.Import(context.Background(), handlers.ImportLine{
		Address: a, User: user, Nickname: link(a), Sub: who.sub, Access: secret.New(first.access),
		Refresh: secret.New(first.refresh), ExpiresAt: time.Now().Add(time.Hour),
	})
}

func at(link string) events.Address {
	return events.Address{Tenant: "default", Provider: "op", Link: link}
}

func link(a events.Address) string { return a.Link }

// trip is a user on the way to the provider and back.
type trip struct {
	c     *cell
	user  string
	addr  events.Address
	begun api.ConsentBegun
	code  string
	input *message // what came back, when it did
	lost  bool     // the input was lost
}

// begins begins a flow for a user's link; without a link, for a new one.
func (c *cell) begins(user, link string) *trip {
	c.t.Helper()
	defer func(was func(string) bool) { c.fault = was }(c.fault)
	c.fault = func(string) bool { return false }
	if c.api == nil {
		c.api = c.worker("api")
	}
	begun, err := c.api.h.ConsentBegin(context.Background(), "default", api.ConsentBegin{
		Provider: "op", User: user, Link: link, RedirectURI: "https://app.example/cb",
	})
	if err != nil {
		c.t.Fatal(err)
	}
	t := &trip{c: c, user: user, addr: at(begun.Link), begun: begun}
	c.trips = append(c.trips, t)
	return t
}

// as is the user's return, having logged in as somebody.
func (t *trip) as(who *login) *message {
	t.code = t.c.op.authorize(t.begun.AuthorizeURL, who)
	return t.comesBack(events.ReconsentCompleted{State: t.begun.State, Code: events.Code(t.code), Iss: t.c.rules.Issuer})
}

func (t *trip) comesBack(d events.ReconsentCompleted) *message {
	d.Address = t.addr
	t.input = t.c.input(d)
	return t.input
}

// flow is the record as it is.
func (t *trip) flow() consents.Flow {
	s, err := t.c.flows.Flows.Get(context.Background(), consents.Key(t.begun.State))
	if err != nil {
		t.c.t.Fatal(err)
	}
	return s.Flow
}

// input publishes an input, as a service does.
func (c *cell) input(d events.Data) *message {
	e, err := events.NewInput("//app", fmt.Sprint("input-", len(c.broker.messages)), time.Now(), events.Trace{}, d)
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := events.Subjects{}.InputMessage(e)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.stored(m.Subject, m.Header, m.Data)
}

func (c *cell) stored(subject string, head map[string][]string, data []byte) *message {
	m := c.broker.add("REGRANT_IN", subject, head, data)
	m.StoredAt = c.server.now()
	return m
}

// forward publishes what a worker asks for.
func (c *cell) forward(ctx context.Context, m events.Message) error {
	c.yield(taskOf(ctx), "forward")
	if c.fault("input is refused") {
		return errAway
	}
	c.stored(m.Subject, m.Header, m.Data)
	if c.fault("input's reply is lost") {
		return errAway
	}
	return nil
}

// refused is a report that the bearer of a generation was refused.
func (c *cell) refused(a events.Address, generation uint64) *message {
	return c.input(events.TokenExpired{Address: a, Generation: generation, Reason: events.ReasonUnauthorized})
}

func (c *cell) decides(a events.Address, consent uint64, d events.Decision) *message {
	return c.input(events.LinkReplacementDecided{Address: a, Consent: consent, Decision: d})
}

// again publishes an input once more, as a replay does.
func (c *cell) again(m *message) *message {
	return c.stored(m.Subject, m.Header, m.Data)
}

// record is a link as it is.
func (c *cell) record(a events.Address) links.Link {
	c.t.Helper()
	s, err := c.book.Store.Latest(context.Background(), a)
	if err != nil {
		c.t.Fatalf("%s: %v", a.Link, err)
	}
	return s.Link
}

// rest lets everything come to rest with these workers, and nothing go wrong.
// Timers fire that are due within the hours to come.
func (c *cell) rest(p ...*process) { c.restFor(3*time.Hour, p...) }

func (c *cell) restFor(d time.Duration, p ...*process) {
	c.fault, c.op.down = func(string) bool { return false }, false
	s := &simulation{world: c.world, processes: p}
	for turn, end := 0, time.Now().Add(d); ; turn++ {
		if turn > 20_000 {
			c.t.Fatal("does not come to rest")
		}
		c.fire()
		if parked := s.parked(); len(parked) > 0 {
			c.step(parked[turn%len(parked)])
			continue
		}
		if !time.Now().Before(c.adoptAt) && s.adoptable() {
			c.adoptAt = time.Now().Add(c.budget.Adopt)
			continue
		}
		if s.deliverable(turn) {
			continue
		}
		next := c.nextThing()
		if next.IsZero() || next.After(end) {
			return
		}
		c.sleep(max(time.Until(next), time.Millisecond))
	}
}

// fire is the broker's, in an order that is the same in every run.
func (c *cell) fire() {
	for _, a := range c.book.made {
		if timer, ok := c.broker.timers[a]; ok && !time.Now().Before(timer.at) {
			delete(c.broker.timers, a)
			c.history.answered()
			c.broker.add("REGRANT_TIMER", events.Subjects{}.Due(a), nil, nil)
		}
	}
}

// nextThing is when something will happen by itself; zero: never.
func (c *cell) nextThing() time.Time {
	var when []time.Time
	for _, m := range c.broker.messages {
		if !m.acked && len(m.held) == 0 {
			when = append(when, m.notBefore)
		}
	}
	for _, timer := range c.broker.timers {
		when = append(when, timer.at)
	}
	for _, t := range c.tasks {
		if !t.done && !t.p.dead {
			when = append(when, time.Now().Add(c.budget.LockRenew))
		}
	}
	if len(c.disk.orphans()) > 0 {
		when = append(when, c.adoptAt)
	}
	if len(when) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(when, time.Time.Compare)
}

// scan runs the reconciler once over everything.
func (c *cell) scan(p *process) *task {
	r := p.h.NewReconciler(c.book, 0)
	return p.start(nil, func(ctx context.Context) {
		if err := r.Scan(ctx, true); err != nil {
			c.t.Error(err)
		}
	})
}

// logsOut is a user's logout from a link.
func (c *cell) logsOut(a events.Address) *message {
	return c.input(events.LogoutRequested{Address: a, Scope: events.LogoutLink})
}
