package services_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/secret"
)

// serviceRoles are the users of docs/nats.conf that are services.
var serviceRoles = []string{"reporter", "reader-a", "reader-b", "subscriber", "callback", "owner"}

// right is a subject and the roles of services that may use it.
type right struct {
	subject string
	roles   string
}

var publishing = []right{
	{"regrant.in.default.op.A.token-expired", "reporter reader-a"},
	{"regrant.in.default.op.B.token-expired", "reporter reader-b"},
	{"regrant.in.other.op.A.token-expired", ""},
	{"regrant.in.default.op.A.reconsent-completed", "callback"},
	{"regrant.in.default.op.A.logout-requested", ""},
	{"regrant.in.default.op.A.link-replacement-decided", ""},
	{"regrant.api.default.op.A.token", "reader-a"},
	{"regrant.api.default.op.B.token", "reader-b"},
	{"regrant.api.other.op.A.token", ""},
	{"regrant.api.default.op.A.show", ""},
	{"regrant.api.default.consent-begin", "callback"},
	{"regrant.api.default.list", "callback"},
	{"regrant.api.default.stage", ""},
	// What would forge, ask for passwords, or change when things are done.
	{"regrant.out.default.op.A.token-rotated", ""},
	{"regrant.live.default.op.A.token-rotated", ""},
	{"regrant.credentials.default.op.A", ""},
	{"regrant.timer.default.op.A", ""},
	{"regrant.due.default.op.A", ""},
	{"_INBOX_regrant_reader-a.1", ""},
	{"_INBOX_regrant_worker.1", ""},
	// The store, read and written.
	{"$KV.regrant_links.default.op.A", ""},
	{"$KV.regrant_consents.x", ""},
	{"$JS.API.DIRECT.GET.KV_regrant_links.$KV.regrant_links.default.op.A", ""},
	{"$JS.API.STREAM.MSG.GET.KV_regrant_links", ""},
	{"$JS.CELL.API.STREAM.MSG.GET.KV_regrant_links", ""},
	{"$JS.API.CONSUMER.CREATE.KV_regrant_links", ""},
	{"$JS.API.STREAM.CREATE.X", ""},
	{"$JS.API.STREAM.PURGE.REGRANT_IN", ""},
	// Other streams, and other services' subscriptions.
	{"$JS.CELL.API.CONSUMER.INFO.REGRANT_OUT.sub-default-prompts", "subscriber"},
	{"$JS.CELL.API.CONSUMER.MSG.NEXT.REGRANT_OUT.sub-default-prompts", "subscriber"},
	{"$JS.CELL.API.CONSUMER.MSG.NEXT.REGRANT_OUT.sub-default-others", ""},
	{"$JS.CELL.API.CONSUMER.CREATE.REGRANT_OUT.sub-default-others", ""},
	{"$JS.CELL.API.CONSUMER.DELETE.REGRANT_OUT.sub-default-prompts", ""},
	{"$JS.CELL.API.CONSUMER.CREATE.REGRANT_IN.x", ""},
	{"$JS.ACK.REGRANT_IN.worker-op.1.1.1.1.1", ""},
}

var listening = []right{
	{">", ""}, {"_INBOX.>", ""}, {"_R_.>", ""}, {"$KV.>", ""}, {"$JS.>", ""}, {"$SYS.>", ""},
	{"_INBOX_regrant_worker.>", ""},
	{"_INBOX_regrant_reader-a.>", "reader-a"},
	{"_INBOX_regrant_reader-b.>", "reader-b"},
	{"regrant.in.>", ""},  // authorization codes
	{"regrant.api.>", ""}, // tokens that are staged
	{"regrant.out.>", ""},
	{"regrant.live.>", ""},
	{"regrant.live.default.op.A.*", "reader-a"},
	{"regrant.live.default.op.*.*", ""},
	{"regrant.credentials.>", ""},
	{"regrant.credentials.default.op.*", "owner"},
}

// TestWhatEachRoleMayDo tries every subject as every role.
func TestWhatEachRoleMayDo(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	for _, role := range serviceRoles {
		c := g.login(t, role)
		for _, r := range publishing {
			may := slices.Contains(strings.Fields(r.roles), role)
			if got := c.publishes(t, r.subject, ""); got != may {
				t.Errorf("%s publishes to %s: %v, want %v", role, r.subject, got, may)
			}
		}
		for _, r := range listening {
			may := slices.Contains(strings.Fields(r.roles), role)
			if got := c.listens(t, r.subject); got != may {
				t.Errorf("%s listens to %s: %v, want %v", role, r.subject, got, may)
			}
		}
	}
	for _, r := range []right{ // those inside the cell, too, have what they need and no more
		{"_INBOX.>", ""}, {"_INBOX_regrant_worker.>", "worker"}, {"_INBOX_regrant_operator.>", "operator"},
		{"regrant.api.>", "worker"}, {"regrant.credentials.>", ""}, {"$KV.>", ""}, {"regrant.in.>", ""},
	} {
		for _, role := range []string{"worker", "operator"} {
			may := slices.Contains(strings.Fields(r.roles), role)
			if got := g.login(t, role).listens(t, r.subject); got != may {
				t.Errorf("%s listens to %s: %v, want %v", role, r.subject, got, may)
			}
		}
	}
	for _, subject := range []string{"$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.DELETE.X", "$JS.API.STREAM.PURGE.X"} {
		if g.login(t, "worker").publishes(t, subject, "") {
			t.Errorf("a worker publishes to %s", subject)
		}
	}
	if g.login(t, "operator").publishes(t, "regrant.credentials.default.op.A", "") {
		t.Error("an operator asks for passwords")
	}
}

// TestEachRoleDoesItsWork by package client, across accounts.
func TestEachRoleDoesItsWork(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	link := g.service(t, "reader-a", patience).Link("op", "A")
	first, err := link.Token(t.Context())
	must(t, err)
	if first.Bearer.Reveal() != g.links["A"].Bearer {
		t.Error("reader-a was given another bearer")
	}
	next, err := link.Refused(t.Context(), first, "")
	if err != nil || next.Generation != 2 {
		t.Errorf("reader-a reported, and was given %+v, %v", next, err)
	}
	for _, role := range []string{"reader-b", "reporter", "subscriber"} {
		if _, err := g.service(t, role, patience).Link("op", "A").Token(t.Context()); !errors.Is(err, client.ErrNotPermitted) {
			t.Errorf("%s asked for the bearer of A: %v, want ErrNotPermitted", role, err)
		}
	}
	wantHeard(t, g.service(t, "subscriber", patience), "link-created A", "link-created B", "token-rotated A")
	g.wantListed(t)
	g.wantPassword(t)
}

// TestARefusalIsNoTimeOut: whoever may not is told so by the server's first word, and
// does not wait as long as for workers that are away.
func TestARefusalIsNoTimeOut(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	b, err := bus.Connect(t.Context(), bus.Config{URL: g.as(t, "reader-b"), Role: "reader-b"})
	must(t, err)
	defer ends(t, b.Close)
	report, err := g.Report(events.TokenExpired{Address: g.links["A"].Address, Generation: 1, Reason: events.ReasonUnauthorized})
	must(t, err)
	if err := b.PublishInput(t.Context(), report); !errors.Is(err, bus.ErrNotPermitted) || !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("reader-b reported A: %v, want ErrNotPermitted", err)
	}
	said := make(chan string, 100)
	c := g.connect(t, client.Config{Role: "callback", Wait: patience, Log: slog.New(slog.NewTextHandler(saying{said}, nil))})
	for i := range 2 {
		if _, err := c.Link("op", "A").Refused(t.Context(), &client.Token{Generation: 1}, ""); !errors.Is(err, client.ErrNotPermitted) {
			t.Errorf("the callback service waited for the next bearer of A: %v, want ErrNotPermitted", err)
		}
		for i == 0 && !strings.Contains(<-said, "may not report") { // with the report of the first
		}
	}
	ends(t, c.Close)
	for len(said) > 0 {
		if line := <-said; strings.Contains(line, "may not report") {
			t.Errorf("what is not permitted was tried again: %s", line)
		}
	}
}

// saying is a log whose lines a test waits for.
type saying struct{ lines chan<- string }

func (s saying) Write(line []byte) (int, error) {
	s.lines <- string(line)
	return len(line), nil
}

// wantListed has the callback service ask the API.
func (g *guarded) wantListed(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: g.as(t, "callback"), Role: "callback"})
	must(t, err)
	defer ends(t, b.Close)
	var out api.Listed
	err = b.Request(ctx, b.Names().Subjects().API("default", api.VerbList), api.List{User: "user"}, &out)
	if err != nil || len(out.Links) != len(g.links) {
		t.Errorf("the callback service was told of %d links (%v)", len(out.Links), err)
	}
}

// wantPassword has a worker ask the owner of a session.
func (g *guarded) wantPassword(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := g.service(t, "owner", patience).ServeCredentials(ctx, "op")
	must(t, err)
	defer s.Stop()
	s.Keep("op", "A", "user", secret.New("password"))
	b, err := bus.Connect(ctx, bus.Config{URL: g.as(t, "worker")})
	must(t, err)
	defer ends(t, b.Close)
	c, err := b.AskCredentials(ctx, g.links["A"].Address, 1)
	if err != nil || c.Password.Reveal() != "password" {
		t.Errorf("the worker was given no password: %v", err)
	}
}

// wantHeard subscribes until all of these have come.
func wantHeard(t *testing.T, c *client.Client, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var heard []string // by one handler at a time
	err := c.Subscribe(ctx, client.SubscribeConfig{Name: "prompts", FromSequence: 1, Slots: 1}, client.OnAny(func(_ context.Context, d client.Delivery) error {
		if heard = append(heard, string(d.Name)+" "+d.Link); len(heard) == len(want) {
			cancel()
		}
		return nil
	}))
	slices.Sort(heard)
	if err != nil || !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q (%v)", heard, want, err)
	}
}

// TestNobodyHasSomebodyElseWrite: a reply subject needs no permission. Whatever a
// service may publish, it names the records there, and the servers' answers change none.
func TestNobodyHasSomebodyElseWrite(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	before := g.records(t)
	for _, role := range serviceRoles {
		c := g.login(t, role)
		for _, r := range publishing {
			if !slices.Contains(strings.Fields(r.roles), role) {
				continue
			}
			for id := range g.links {
				c.publishes(t, r.subject, "$KV.regrant_links.default.op."+id)
			}
		}
	}
	g.settled(t)
	for id, revision := range g.records(t) {
		if revision != before[id] {
			t.Errorf("the record of %s was written: revision %d, was %d", id, revision, before[id])
		}
	}
}

// TestNoRoleReadsARefreshToken: not in a record, which the operator may read, nor in
// anything that any role may listen to while links are refreshed.
func TestNoRoleReadsARefreshToken(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	heard := make(chan *nats.Msg, 10_000)
	for _, role := range slices.Concat(serviceRoles, []string{"worker", "operator"}) {
		c := g.login(t, role)
		for _, subject := range []string{"_INBOX_regrant_" + role + ".>", "regrant.live.>", "regrant.live.default.op.A.*", "regrant.live.default.op.B.*", "regrant.api.>"} {
			_, err := c.ChanSubscribe(subject, heard) // where it may
			must(t, err)
		}
		must(t, c.Flush())
	}
	for id, role := range map[string]string{"A": "reader-a", "B": "reader-b"} {
		link := g.service(t, role, patience).Link("op", id)
		first, err := link.Token(t.Context())
		must(t, err)
		_, err = link.Refused(t.Context(), first, "")
		must(t, err)
	}
	g.settled(t)
	bearers := 0
	for len(heard) > 0 {
		m := <-heard
		g.wantNoSecret(t, m.Subject, m.Data)
		if bytes.Contains(m.Data, []byte("access_token")) {
			bearers++
		}
	}
	if bearers == 0 {
		t.Error("no bearer was heard: nothing was listened to")
	}
	for id := range g.links {
		record, err := g.kv(t).Get(t.Context(), "default.op."+id)
		must(t, err)
		g.wantNoSecret(t, "the record of "+id, record.Value())
		if l := g.links[id]; bytes.Contains(record.Value(), []byte(l.Bearer)) {
			t.Errorf("the record of %s holds a bearer in clear", id)
		}
	}
}

// user is a connection under a role's permissions.
type user struct{ *nats.Conn }

func (g *guarded) login(t *testing.T, role string) user {
	t.Helper()
	conn, err := nats.Connect(g.as(t, role), nats.CustomInboxPrefix("_INBOX_regrant_"+role),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // LastError says it
	must(t, err)
	t.Cleanup(conn.Close)
	return user{conn}
}

// publishes says whether the server takes a message; one with a reply subject is a request.
func (u user) publishes(t *testing.T, subject, reply string) bool {
	t.Helper()
	must(t, u.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: []byte("{}")}))
	return u.permitted(t, subject)
}

func (u user) listens(t *testing.T, subject string) bool {
	t.Helper()
	sub, err := u.SubscribeSync(subject)
	must(t, err)
	defer func() { _ = sub.Unsubscribe() }()
	return u.permitted(t, subject)
}

// permitted waits for the server's word: a refusal comes before the answer to a flush,
// and is known then.
func (u user) permitted(t *testing.T, subject string) bool {
	t.Helper()
	must(t, u.Flush())
	err := u.LastError()
	return !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), strconv.Quote(subject))
}

// settled returns once the worker has answered what was asked before, as far as
// answers to later questions tell.
func (g *guarded) settled(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, patience, "all inputs are handled", func() bool {
		c, err := g.Bus.JetStream().Consumer(t.Context(), g.Bus.Names().In(), g.Bus.Names().WorkerConsumer("op"))
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
	})
	for id, role := range map[string]string{"A": "reader-a", "B": "reader-b"} {
		_, err := g.service(t, role, patience).Link("op", id).Token(t.Context())
		must(t, err)
	}
	_, err := g.Bus.LastOutput(t.Context(), events.Address{Tenant: "default", Provider: "op", Link: "A"})
	must(t, err)
}
