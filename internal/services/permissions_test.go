package services_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
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

// TestEachRoleDoesItsWork by package client, across accounts.
func TestEachRoleDoesItsWork(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	link := g.service(t, "reader-1", patience).Link("op", "A")
	first, err := link.Token(t.Context())
	must(t, err)
	if first.Bearer.Reveal() != g.links["A"].Bearer {
		t.Error("reader-1 was given another bearer")
	}
	next, err := link.Refused(t.Context(), first, "")
	if err != nil || next.Generation != 2 {
		t.Errorf("reader-1 reported, and was given %+v, %v", next, err)
	}
	for _, role := range []string{"reader-2", "reporter", "subscriber"} {
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
	b, err := bus.Connect(t.Context(), bus.Config{URL: g.as(t, "reader-2"), Role: "reader-2"})
	must(t, err)
	defer ends(t, b.Close)
	report, err := g.Report(events.TokenExpired{Address: g.links["A"].Address, Generation: 1, Reason: events.ReasonUnauthorized})
	must(t, err)
	if err := b.PublishInput(t.Context(), report); !errors.Is(err, bus.ErrNotPermitted) || !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("reader-2 reported A: %v, want ErrNotPermitted", err)
	}
	// Silence would mean that no worker runs, and a key might be destroyed for it.
	if replies, err := b.RequestEveryone(t.Context(), api.VerbKeys, patience); !errors.Is(err, bus.ErrNotPermitted) {
		t.Errorf("reader-2 asked all workers: %q, %v, want ErrNotPermitted", replies, err)
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
	for _, granted := range serviceUsers(t) {
		c := g.login(t, granted.Name)
		for _, subject := range granted.Publish {
			for id := range g.links {
				c.names(t, concrete(subject), "$KV.regrant_links.default.op."+id)
			}
		}
	}
	g.settled(t)
	g.wantUnchanged(t, before)
}

// TestASubscriberHasNobodyWritten: where a consumer delivers, its request says too. The
// server delivers nowhere but where a client listens, and no client of the cell listens
// where records are written.
func TestASubscriberHasNobodyWritten(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	before := g.records(t)
	c := g.login(t, "subscriber")
	const name = "sub-default-prompts"
	body := `{"stream_name":"REGRANT_OUT","config":{"durable_name":"` + name + `","deliver_subject":"$KV.regrant_links.default.op.A","ack_policy":"none","deliver_policy":"all"}}`
	m, err := c.Request("$JS.CELL.API.CONSUMER.CREATE.REGRANT_OUT."+name, []byte(body), patience)
	if err != nil || !bytes.Contains(m.Data, []byte(`"created"`)) {
		t.Fatalf("the consumer was not made: the test proves nothing (%v, %s)", err, m.Data)
	}
	g.settled(t)
	consumer, err := g.Bus.JetStream().PushConsumer(t.Context(), "REGRANT_OUT", name)
	must(t, err)
	if info := consumer.CachedInfo(); info.Delivered.Consumer != 0 || info.NumPending == 0 {
		t.Errorf("%d outputs were delivered into a record, %d wait", info.Delivered.Consumer, info.NumPending)
	}
	g.wantUnchanged(t, before)
}

func (g *guarded) wantUnchanged(t *testing.T, before map[string]uint64) {
	t.Helper()
	for id, revision := range g.records(t) {
		if revision != before[id] {
			t.Errorf("the record of %s was written: revision %d, was %d", id, revision, before[id])
		}
	}
}

// concrete is a subject that a pattern matches.
func concrete(pattern string) string {
	words := strings.Split(strings.Replace(pattern, ".>", ".x", 1), ".")
	for i, word := range words {
		if word == "*" {
			words[i] = "A"
		}
	}
	return strings.Join(words, ".")
}

// TestNoRoleReadsARefreshToken: not in a record, which the operator may read, nor in
// anything that any role may listen to while links are refreshed.
func TestNoRoleReadsARefreshToken(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	heard := make(chan *nats.Msg, 10_000)
	for _, u := range granted(t) {
		c := g.login(t, u.Name)
		for _, subject := range []string{"_INBOX_regrant_" + u.Name + ".>", "regrant.live.>", "regrant.live.default.op.A.*", "regrant.live.default.op.B.*", "regrant.api.>"} {
			_, err := c.ChanSubscribe(subject, heard) // where it may
			must(t, err)
		}
		must(t, c.Flush())
	}
	for id, role := range map[string]string{"A": "reader-1", "B": "reader-2"} {
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

// names publishes a message that names a reply subject; the server may refuse it.
func (u user) names(t *testing.T, subject, reply string) {
	t.Helper()
	must(t, u.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: []byte("{}")}))
	must(t, u.Flush())
	if errors.Is(u.LastError(), nats.ErrPermissionViolation) {
		t.Errorf("%v: what is granted is not refused", u.LastError())
	}
}

// settled returns once the worker has answered what was asked before, as far as
// answers to later questions tell.
func (g *guarded) settled(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, patience, "all inputs are handled", func() bool {
		c, err := g.Bus.JetStream().Consumer(t.Context(), g.Bus.Names().In(), g.Bus.Names().WorkerConsumer("op"))
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
	})
	for id, role := range map[string]string{"A": "reader-1", "B": "reader-2"} {
		_, err := g.service(t, role, patience).Link("op", id).Token(t.Context())
		must(t, err)
	}
	_, err := g.Bus.LastOutput(t.Context(), events.Address{Tenant: "default", Provider: "op", Link: "A"})
	must(t, err)
}
