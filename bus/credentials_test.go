package bus_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

const passwordCanary = "canary-password-88e0"

var ada = credentials.Credential{Username: secret.New("ada"), Password: secret.New(passwordCanary)}

// own answers asks on a connection of the owner's own.
func own(t testing.TB, s *server, which events.Address, give bus.Owner) (stop func()) {
	t.Helper()
	return ownOn(t, connect(t, bus.Config{URL: s.run.URL(), Name: "app-1", Role: "owner"}), which, give)
}

func ownOn(t testing.TB, b *bus.Bus, which events.Address, give bus.Owner) (stop func()) {
	t.Helper()
	stop, err := b.ServeCredentials(t.Context(), which, give)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return stop
}

func giving(c credentials.Credential, err error) bus.Owner {
	return func(context.Context, credentials.Ask) (credentials.Credential, error) { return c, err }
}

// silent holds an ask until nobody waits any more.
func silent(ctx context.Context, _ credentials.Ask) (credentials.Credential, error) {
	<-ctx.Done()
	return credentials.Credential{}, ctx.Err()
}

// stranger answers every ask with bytes of its choice, and says when they are out.
func stranger(t testing.TB, s *server, replies ...string) (sent <-chan struct{}) {
	t.Helper()
	conn, out := observer(t, s), make(chan struct{})
	_, err := conn.Subscribe("regrant.credentials.>", func(m *nats.Msg) {
		for _, r := range replies {
			if err := m.Respond([]byte(r)); err != nil {
				t.Error(err)
			}
		}
		if err := conn.Flush(); err != nil {
			t.Error(err)
		}
		close(out)
	})
	if err := errors.Join(err, conn.Flush()); err != nil {
		t.Fatal(err)
	}
	return out
}

func whatIsKnown(t testing.TB, what string, c credentials.Credential, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want != nil && !c.Password.IsZero() || want == nil && !c.Password.Equal(ada.Password) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// The password passes through the server and is on no wire and in no stream.
func TestR18CredentialsArriveAndStayNowhere(t *testing.T) {
	b, s := cell(t)
	wire := observer(t, s)
	seen := make(chan *nats.Msg, 1024)
	if _, err := wire.ChanSubscribe(">", seen); err != nil {
		t.Fatal(err)
	}
	if err := wire.Flush(); err != nil {
		t.Fatal(err)
	}
	own(t, s, events.Address{Tenant: "default"}, func(_ context.Context, a credentials.Ask) (credentials.Credential, error) {
		if a.Address != link || a.Generation != 7 {
			t.Errorf("asked for %s, generation %d", a.Address, a.Generation)
		}
		return ada, nil
	})
	c, err := b.AskCredentials(within(t), link, 7)
	whatIsKnown(t, "asked", c, err, nil)
	if c.Username.Reveal() != "ada" {
		t.Error("another user's name")
	}
	asked, answered := next(t, "the ask", seen), next(t, "the answer", seen)
	if asked.Subject != "regrant.credentials.default.op.L1" || !strings.HasPrefix(answered.Subject, "_INBOX_regrant_worker.") {
		t.Errorf("on %s and %s", asked.Subject, answered.Subject)
	}
	for _, m := range []*nats.Msg{asked, answered} {
		for _, clear := range []string{passwordCanary, base64.StdEncoding.EncodeToString([]byte(passwordCanary))[:24]} {
			if strings.Contains(string(m.Data), clear) {
				t.Errorf("%s bears the password", m.Subject)
			}
		}
	}
	n := b.Names()
	for _, stream := range []string{n.In(), n.Out(), n.Timer(), n.Dead(), "KV_" + n.Links(), "KV_" + n.Index(), "KV_" + n.Consents()} {
		if stored := messages(t, b, stream); stored != 0 {
			t.Errorf("%s holds %d messages", stream, stored)
		}
	}
}

func TestNobodyHasTheCredentials(t *testing.T) {
	s := newServer(t)
	b := asker(t, s)
	own(t, s, events.Address{Provider: "bank"}, giving(ada, nil))
	c, err := b.AskCredentials(within(t), link, 1)
	whatIsKnown(t, "nobody listens for this provider", c, err, credentials.ErrNobody)

	stop := own(t, s, events.Address{}, giving(credentials.Credential{}, credentials.ErrNotMine))
	ctx, cancel := context.WithTimeout(t.Context(), short.Heartbeat)
	defer cancel()
	c, err = b.AskCredentials(ctx, link, 1)
	whatIsKnown(t, "held elsewhere", c, err, credentials.ErrNoAnswer)
	c, err = b.AskCredentials(context.WithoutCancel(t.Context()), link, 1) // ends by itself
	whatIsKnown(t, "no deadline", c, err, credentials.ErrNoAnswer)
	stop()
	c, err = b.AskCredentials(within(t), link, 1)
	whatIsKnown(t, "after the stop", c, err, credentials.ErrNobody)
	if _, err := b.AskCredentials(within(t), events.Address{Tenant: "t", Provider: "*", Link: ">"}, 1); !errors.Is(err, credentials.ErrAsk) {
		t.Errorf("no link: %v", err)
	}
}

func TestARefusalEndsTheWait(t *testing.T) {
	s := newServer(t)
	for range 2 {
		own(t, s, events.Address{}, giving(credentials.Credential{}, errors.Join(errors.New(passwordCanary), credentials.ErrRefused)))
	}
	own(t, s, events.Address{}, silent)
	ctx := within(t)
	c, err := asker(t, s).AskCredentials(ctx, link, 1)
	whatIsKnown(t, "refused twice", c, err, credentials.ErrRefused)
	if ctx.Err() != nil {
		t.Error("the refusal was waited out")
	}
	if strings.Contains(err.Error(), passwordCanary) {
		t.Error("the owner's error came along")
	}
}

// Two owners, one of which hangs: the first good answer wins.
func TestTheFirstGoodAnswerWins(t *testing.T) {
	s := newServer(t)
	began := make(chan struct{}, 1)
	own(t, s, events.Address{}, func(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
		began <- struct{}{}
		return silent(ctx, a)
	})
	own(t, s, events.Address{}, func(context.Context, credentials.Ask) (credentials.Credential, error) {
		next(t, "the slow one begins", began)
		return ada, nil
	})
	c, err := asker(t, s).AskCredentials(within(t), link, 1)
	whatIsKnown(t, "asked", c, err, nil)
}

// A new session at one owner outweighs the end of the old one at another.
func TestAGoodAnswerOutweighsARefusal(t *testing.T) {
	s := newServer(t)
	sent := stranger(t, s, `{"refused":true}`, `{"refused":true}`)
	own(t, s, events.Address{}, func(context.Context, credentials.Ask) (credentials.Credential, error) {
		next(t, "the refusals are out", sent)
		return ada, nil
	})
	patient := connect(t, bus.Config{URL: s.run.URL(), Budget: budget.Of(10 * patience)})
	c, err := patient.AskCredentials(within(t), link, 1)
	whatIsKnown(t, "asked", c, err, nil)
}

// An owner that answers rubbish is passed over, and named in the log.
func TestRubbishDoesNotSpeakForOthers(t *testing.T) {
	s := newServer(t)
	earlier, _, err := credentials.NewAsk(link, 1, time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := earlier.Seal(credentials.Credential{Username: secret.New("eve"), Password: secret.New("p")})
	if err != nil {
		t.Fatal(err)
	}
	old, err := json.Marshal(credentials.Answer{Sealed: sealed})
	if err != nil {
		t.Fatal(err)
	}
	sent := stranger(t, s, "", "{}", passwordCanary, `{"password":"`+passwordCanary+`"}`, string(old), strings.Repeat("x", 100<<10))
	log, logged := recorder()
	b := connect(t, bus.Config{URL: s.run.URL(), Log: log})
	own(t, s, events.Address{}, func(context.Context, credentials.Ask) (credentials.Credential, error) {
		next(t, "the rubbish is out", sent)
		return ada, nil
	})
	c, err := b.AskCredentials(within(t), link, 1)
	whatIsKnown(t, "asked", c, err, nil)
	if text := logged(); !strings.Contains(text, "did not open") || !strings.Contains(text, "answers=6") || strings.Contains(text, passwordCanary) {
		t.Errorf("logged %s", text)
	}
}

func TestRubbishAloneIsNoAnswer(t *testing.T) {
	s := newServer(t)
	stranger(t, s, strings.Split(strings.Repeat("{}\n", 500), "\n")...) // more than wait to be looked at
	ctx, cancel := context.WithTimeout(t.Context(), short.AckWait)
	defer cancel()
	c, err := asker(t, s).AskCredentials(ctx, link, 1)
	whatIsKnown(t, "rubbish", c, err, credentials.ErrNoAnswer)
}

// What goes wrong inside an owner is not told to anybody, in words or by a value.
func TestAFailingOwnerIsSilent(t *testing.T) {
	s := newServer(t)
	log, logged := recorder()
	b := connect(t, bus.Config{URL: s.run.URL(), Log: log})
	ownOn(t, b, events.Address{}, func(_ context.Context, a credentials.Ask) (credentials.Credential, error) {
		switch a.Generation {
		case 1:
			panic(passwordCanary)
		case 2:
			return ada, errors.New(passwordCanary)
		case 3:
			return credentials.Credential{Password: secret.New(passwordCanary)}, nil
		}
		return ada, nil
	})
	for generation := range uint64(3) {
		ctx, cancel := context.WithTimeout(t.Context(), short.Heartbeat)
		c, err := asker(t, s).AskCredentials(ctx, link, generation+1)
		whatIsKnown(t, "failed", c, err, credentials.ErrNoAnswer)
		cancel()
	}
	c, err := asker(t, s).AskCredentials(within(t), link, 4)
	whatIsKnown(t, "after all that", c, err, nil)
	text := logged()
	for _, word := range []string{"panicked", "failed", "cannot be sent"} {
		if !strings.Contains(text, word) {
			t.Errorf("the log has no %q", word)
		}
	}
	if strings.Contains(text, passwordCanary) {
		t.Error("the log has the password")
	}
}

// The permission to ask is one for a subject, so a subject's ask is for its link.
func TestAnAskCountsOnItsOwnSubject(t *testing.T) {
	s := newServer(t)
	var given atomic.Int64
	stop := own(t, s, events.Address{}, func(context.Context, credentials.Ask) (credentials.Credential, error) {
		given.Add(1)
		return ada, nil
	})
	conn := observer(t, s)
	ask := func(subject string, a events.Address, expires time.Time) {
		q, _, err := credentials.NewAsk(a, 1, expires)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.PublishRequest(subject, "somewhere", data); err != nil {
			t.Fatal(err)
		}
	}
	other := events.Address{Tenant: "default", Provider: "op", Link: "L2"}
	ask("regrant.credentials.default.op.L1", other, time.Now().Add(patience))
	ask("regrant.credentials.default.op.L1", link, time.Now().Add(-time.Hour))
	if err := errors.Join(conn.Publish("regrant.credentials.default.op.L1", []byte("{}")), conn.Flush()); err != nil {
		t.Fatal(err)
	}
	c, err := asker(t, s).AskCredentials(within(t), link, 1)
	whatIsKnown(t, "on its own subject", c, err, nil)
	stop()
	if n := given.Load(); n != 1 {
		t.Errorf("given %d times, want once", n)
	}
}

// What NATS did not carry says nothing about the session: nobody is to be told
// that its owner is gone.
func TestAwayIsNotNoAnswer(t *testing.T) {
	s := newServer(t)
	b := asker(t, s)
	began := make(chan struct{}, 1)
	own(t, s, events.Address{}, func(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
		began <- struct{}{}
		return silent(ctx, a)
	})
	unknown := func(what string, err error) {
		t.Helper()
		for _, verdict := range []error{nil, credentials.ErrNobody, credentials.ErrNoAnswer, credentials.ErrRefused} {
			if errors.Is(err, verdict) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), short.Recovery)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.AskCredentials(ctx, link, 1)
		failed <- err
	}()
	next(t, "the ask arrives", began)
	s.stop()
	unknown("lost while waiting", next(t, "an end of the wait", failed))
	ctx, cancel = context.WithTimeout(t.Context(), short.Heartbeat)
	defer cancel()
	_, err := b.AskCredentials(ctx, link, 1)
	unknown("not connected", err)
	s.start()
}

func TestACancelledAskEnds(t *testing.T) {
	s := newServer(t)
	began := make(chan struct{}, 1)
	own(t, s, events.Address{}, func(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
		began <- struct{}{}
		return silent(ctx, a)
	})
	ctx, cancel := context.WithCancelCause(within(t))
	failed := make(chan error, 1)
	b := long(t, s)
	go func() {
		_, err := b.AskCredentials(ctx, link, 1)
		failed <- err
	}()
	next(t, "the ask arrives", began)
	why := errors.New("shutdown")
	cancel(why)
	if err := next(t, "the end", failed); !errors.Is(err, why) {
		t.Error(err)
	}
}

// Stopping ends the calls under way and waits for them, however long they take.
func TestStoppingAnOwnerWaits(t *testing.T) {
	s := newServer(t)
	conn := observer(t, s)
	began := make(chan struct{}, 1)
	var ended atomic.Bool
	stop := ownOn(t, long(t, s), events.Address{}, func(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
		began <- struct{}{}
		<-ctx.Done()
		for range 200 { // much longer than a stop that waits for nothing
			if err := conn.Flush(); err != nil {
				t.Error(err)
			}
		}
		ended.Store(true)
		return credentials.Credential{}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error, 1)
	b := asker(t, s)
	go func() {
		_, err := b.AskCredentials(ctx, link, 1)
		failed <- err
	}()
	next(t, "the ask arrives", began)
	if stop(); !ended.Load() {
		t.Error("stopped with a call under way")
	}
	stop() // once more is harmless
	cancel()
	_ = next(t, "the end of the ask", failed)
}
