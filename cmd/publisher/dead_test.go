package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/testenv"
)

var deadLink = events.Address{Tenant: "default", Provider: "op", Link: "L"}

// graveyard is a cell without workers, whose letters the test writes.
type graveyard struct {
	*bus.Bus
	t        *testing.T
	out, err bytes.Buffer
	patience time.Duration
}

func newGraveyard(t *testing.T) *graveyard {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{URL: testenv.NATS(t), Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	if _, err := b.Provision(t.Context(), bus.Plan{Providers: []string{"op"}}); err != nil {
		t.Fatal(err)
	}
	return &graveyard{Bus: b, t: t, patience: time.Minute}
}

// store puts a message into its stream.
func (g *graveyard) store(subject, body string) bus.DeadLetter {
	g.t.Helper()
	ack, err := g.JetStream().Publish(g.t.Context(), subject, []byte(body))
	if err != nil {
		g.t.Fatal(err)
	}
	return bus.DeadLetter{Stream: ack.Stream, Sequence: ack.Sequence, Subject: subject, Reason: "schema", Last: time.Now(), Worker: "w"}
}

func (g *graveyard) bury(l bus.DeadLetter) {
	g.t.Helper()
	body, err := json.Marshal(l)
	if err == nil {
		_, err = g.JetStream().Publish(g.t.Context(), g.Names().Subjects().DeadOf(l.Subject), body)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// logout is an input that died, and could live.
func (g *graveyard) logout(link string) bus.DeadLetter {
	g.t.Helper()
	a := events.Address{Tenant: "default", Provider: "op", Link: link}
	e, err := events.NewInput("test", "logout-of-"+link, time.Now(), events.Trace{}, events.LogoutRequested{Address: a, Scope: events.LogoutLink})
	if err != nil {
		g.t.Fatal(err)
	}
	m, err := g.Names().Subjects().InputMessage(e)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.store(m.Subject, string(m.Data))
}

func (g *graveyard) letters() (all []bus.Letter) {
	g.t.Helper()
	if err := g.Letters(g.t.Context(), func(l bus.Letter) error { all = append(all, l); return nil }); err != nil {
		g.t.Fatal(err)
	}
	return all
}

func (g *graveyard) inputs() uint64 {
	g.t.Helper()
	s, err := g.JetStream().Stream(g.t.Context(), g.Names().In())
	if err != nil {
		g.t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

// retry retries all letters, with a log of the test's.
func (g *graveyard) retry(ctx context.Context, log audit.Log) error {
	run, all := audit.NewRun(log, time.Now, g.patience), g.letters()
	c := &cli.Common{JSON: true, IO: cli.IO{Out: &g.out, Err: &g.err}}
	return retryAll(ctx, c, retrier{g.Bus, run, newLinkEntries(run, audit.DeadRetried, g.Names(), all)}, all)
}

// What is no input, or would be refused again, stays and says what can be done.
func TestWhatCannotBeRetriedStays(t *testing.T) {
	g := newGraveyard(t)
	s := g.Names().Subjects()
	g.bury(g.store(s.Out(deadLink, events.NameTokenRotated), "{}"))
	g.bury(bus.DeadLetter{Stream: g.Names().Timer(), Sequence: 1, Subject: s.Due(deadLink), Reason: "poison"})
	g.bury(g.store(s.In(deadLink, events.NameTokenExpired), "no event, and a secret: s3cret"))
	g.bury(g.store("regrant.in.default.op.bad.link.too.many", "{}"))
	before := g.inputs()
	if err := g.retry(t.Context(), g); err == nil || !strings.Contains(err.Error(), "4 of 4 letters stay") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{
		"publisher replay --seq 1 --to SUBJECT", outcomeNoInput, "the workers find what is overdue", outcomeRefused,
	} {
		if !strings.Contains(g.out.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, &g.out)
		}
	}
	if strings.Contains(g.out.String(), "s3cret") || len(g.letters()) != 4 || g.inputs() != before {
		t.Errorf("%d letters, %d inputs\n%s", len(g.letters()), g.inputs(), &g.out)
	}
}

// brittle is a log that fails from the n-th entry on.
type brittle struct{ n int }

func (b *brittle) Append(context.Context, audit.Entry) error {
	if b.n--; b.n < 0 {
		return errors.New("the log is down")
	}
	return nil
}

// A link whose entry cannot be written is left alone, and all that come after it.
func TestARetryEndsWithItsAudit(t *testing.T) {
	g := newGraveyard(t)
	for _, link := range []string{"a", "a", "b", "a"} {
		g.bury(g.logout(link))
	}
	if err := g.retry(t.Context(), &brittle{n: 1}); err == nil || !strings.Contains(err.Error(), "2 of 4 letters were looked at") {
		t.Errorf("%v", err)
	}
	if left := g.letters(); len(left) != 2 || left[0].Number != 3 || g.inputs() != 6 {
		t.Errorf("left %+v, %d inputs", left, g.inputs())
	}
}

// The letter goes only when its new input is stored.
func TestALetterStaysUntilItsInputIsStored(t *testing.T) {
	g := newGraveyard(t)
	g.bury(g.logout("a"))
	s, err := g.JetStream().Stream(t.Context(), g.Names().In())
	if err != nil {
		t.Fatal(err)
	}
	full := s.CachedInfo().Config
	full.MaxMsgs, full.Discard = 1, jetstream.DiscardNew
	if _, err := g.JetStream().UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	g.patience = 300 * time.Millisecond
	if err := g.retry(t.Context(), g); err == nil {
		t.Error("retried into a full stream")
	}
	if len(g.letters()) != 1 {
		t.Error("the letter is gone, and its input is nowhere")
	}
}

// Whoever interrupts is told how far it went; the rest is as it was.
func TestAnInterruptedRetryStopsBetweenLetters(t *testing.T) {
	g := newGraveyard(t)
	for i := range 3 {
		g.bury(g.logout(fmt.Sprint(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := logFunc(func(e audit.Entry) { // told before the second one
		if e.Link == "1" {
			cancel()
		}
	})
	if err := g.retry(ctx, log); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
	if left := g.letters(); len(left) != 1 || left[0].Number != 3 {
		t.Errorf("left %+v", left)
	}
}

type logFunc func(audit.Entry)

func (f logFunc) Append(_ context.Context, e audit.Entry) error { f(e); return nil }
