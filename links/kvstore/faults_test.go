package kvstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/linkstest"
)

// patient bounds waits that end by themselves on any machine.
const patient = time.Minute

// faulty is a store behind a proxy, beside one that sees the server as it is.
type faulty struct {
	*Store
	proxy  *proxy
	direct *Store
}

func newFaulty(t *testing.T, serverURL string) faulty {
	t.Helper()
	p := newProxy(t, serverURL)
	js := connect(t, serverURL)
	provision(t, js, names)
	f := faulty{proxy: p, direct: open(t, js, names)}
	f.Store = openHasty(t, connect(t, p.url()), names)
	return f
}

// created stores a link and returns it as it is.
func (f faulty) created(t *testing.T) links.Stored {
	t.Helper()
	l := linkstest.Sample(address)
	revision, err := f.direct.Create(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return links.Stored{Link: l, Revision: revision}
}

// now is what is stored.
func (f faulty) now(t *testing.T) links.Stored {
	t.Helper()
	v, err := f.direct.Latest(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// result is what a write returned.
type result struct {
	revision uint64
	err      error
}

// update starts an update through the proxy.
func (f faulty) update(ctx context.Context, l links.Link, revision uint64) <-chan result {
	done := make(chan result, 1)
	go func() {
		r, err := f.Update(ctx, l, revision)
		done <- result{r, err}
	}()
	return done
}

// applied waits until the stored revision is another one.
func (f faulty) applied(t *testing.T, old uint64) links.Stored {
	t.Helper()
	var v links.Stored
	testenv.Eventually(t, patient, "the write is applied", func() bool {
		v = f.now(t)
		return v.Revision != old
	})
	return v
}

func intent(l links.Link, attempt string) links.Link {
	return l.Begin(links.Attempt{ID: attempt, Worker: "worker-1", At: time.Unix(1700000000, 0).UTC()}, true, links.Rules{})
}

// TestUpdateWithoutReply: applied, and the answer lost. The writer must learn
// that it was applied, and no second write may come of its repeats.
func TestUpdateWithoutReply(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	f.proxy.loseReplies()
	done := f.update(t.Context(), intent(v.Link, "ours"), v.Revision)
	stored := f.applied(t, v.Revision)
	f.proxy.heal()
	if got := <-done; got.err != nil || got.revision != stored.Revision {
		t.Errorf("Update: revision %d, %v; it was applied as %d", got.revision, got.err, stored.Revision)
	}
	if last := f.now(t); last.Revision != stored.Revision {
		t.Errorf("written again as %d after %d", last.Revision, stored.Revision)
	}
}

// TestUpdateWithoutRequest: the server never saw it. The repeat is the write.
func TestUpdateWithoutRequest(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	lost := f.proxy.loseRequests()
	done := f.update(t.Context(), intent(v.Link, "ours"), v.Revision)
	<-lost
	if now := f.now(t); now.Revision != v.Revision {
		t.Fatalf("applied as %d though its request was lost", now.Revision)
	}
	f.proxy.heal()
	got := <-done
	if now := f.now(t); got.err != nil || got.revision != now.Revision || !now.Link.Lists("ours") {
		t.Errorf("Update: revision %d, %v; stored is %d with attempts %v", got.revision, got.err, now.Revision, now.Link.Attempts)
	}
}

// TestUpdateOvertakenBeforeItsRequest: not applied, and meanwhile somebody else won.
func TestUpdateOvertakenBeforeItsRequest(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	lost := f.proxy.loseRequests()
	done := f.update(t.Context(), intent(v.Link, "ours"), v.Revision)
	<-lost
	if _, err := f.direct.Update(t.Context(), intent(v.Link, "theirs"), v.Revision); err != nil {
		t.Fatal(err)
	}
	f.proxy.heal()
	if got := <-done; !errors.Is(got.err, links.ErrConflict) {
		t.Errorf("Update: revision %d, %v; want ErrConflict", got.revision, got.err)
	}
	if now := f.now(t); now.Link.Lists("ours") || !now.Link.Lists("theirs") {
		t.Errorf("attempts %v, want the winner's alone", now.Link.Attempts)
	}
}

// TestUpdateOvertakenAfterItsReplyWasLost: applied, then replaced. Nobody can
// tell any more from the record; ErrConflict makes the writer read again, and
// its attempt is still listed there.
func TestUpdateOvertakenAfterItsReplyWasLost(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	f.proxy.loseReplies()
	done := f.update(t.Context(), intent(v.Link, "ours"), v.Revision)
	stored := f.applied(t, v.Revision)
	if _, err := f.direct.Update(t.Context(), intent(stored.Link, "theirs"), stored.Revision); err != nil {
		t.Fatal(err)
	}
	f.proxy.heal()
	if got := <-done; !errors.Is(got.err, links.ErrConflict) {
		t.Errorf("Update: revision %d, %v; want ErrConflict", got.revision, got.err)
	}
	if now := f.now(t); !now.Link.Lists("ours") {
		t.Errorf("attempts %v: ours is gone", now.Link.Attempts)
	}
}

// TestContextEndsBeforeAnAnswer is the one way to ErrUnknown.
func TestContextEndsBeforeAnAnswer(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	f.proxy.loseReplies()
	ctx, cancel := context.WithCancel(t.Context())
	done := f.update(ctx, intent(v.Link, "ours"), v.Revision)
	f.applied(t, v.Revision)
	cancel()
	if got := <-done; !errors.Is(got.err, links.ErrUnknown) || !errors.Is(got.err, context.Canceled) {
		t.Errorf("Update: revision %d, %v; want ErrUnknown and the context's error", got.revision, got.err)
	}
}

func TestClosedConnection(t *testing.T) {
	url := testenv.NATS(t)
	js := connect(t, url)
	provision(t, js, names)
	s := open(t, js, names)
	js.Conn().Close()
	if _, err := s.Create(t.Context(), linkstest.Sample(address)); err == nil || errors.Is(err, links.ErrUnknown) {
		t.Errorf("Create: %v; want an error that says that nothing was sent", err)
	}
	if _, err := s.Latest(t.Context(), address); err == nil {
		t.Error("Latest answered without a connection")
	}
}

// TestRacingIntents: of two intents at one revision that differ in their attempt
// alone exactly one wins, whatever was lost on the way of either.
func TestRacingIntents(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	for round := range 12 {
		lose := []func() <-chan struct{}{f.proxy.loseReplies, f.proxy.loseRequests}[round%2]
		lost := lose()
		ours, theirs := fmt.Sprint("ours-", round), fmt.Sprint("theirs-", round)
		done := f.update(t.Context(), intent(v.Link, ours), v.Revision)
		if round%4 < 2 {
			<-lost
		}
		_, err := f.direct.Update(t.Context(), intent(v.Link, theirs), v.Revision)
		<-lost
		if err != nil && !errors.Is(err, links.ErrConflict) {
			t.Fatal(err)
		}
		f.proxy.heal()
		got := <-done
		if got.err != nil && !errors.Is(got.err, links.ErrConflict) {
			t.Fatal(got.err)
		}
		v = f.now(t)
		if (err == nil) == (got.err == nil) || v.Link.Lists(theirs) != (err == nil) || v.Link.Lists(ours) != (got.err == nil) {
			t.Fatalf("round %d: ours %v, theirs %v, listed %v", round, got.err, err, v.Link.Attempts)
		}
		v.Link.Attempts = nil
	}
}

// TestSettle is what a refusal after an unanswered try can turn out to be. The
// first case needs a cluster to come about: there, an earlier try may be on its
// way to the replicas while the next one is refused for that very reason.
func TestSettle(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	v := f.created(t)
	ours, err := intent(v.Link, "ours").Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, c := f.direct.links, change{key: address.Token(), value: ours, revision: v.Revision}
	if _, decided, err := b.settle(t.Context(), c); decided || err != nil {
		t.Errorf("while the old revision is there: decided %v, %v", decided, err)
	}
	written, err := b.write(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if next, decided, err := b.settle(t.Context(), c); !decided || next != written || err != nil {
		t.Errorf("with our bytes stored as %d: revision %d, decided %v, %v", written, next, decided, err)
	}
	c.value = []byte("others")
	if _, decided, err := b.settle(t.Context(), c); !decided || !errors.Is(err, errRefused) {
		t.Errorf("with other bytes stored: decided %v, %v", decided, err)
	}
	for code, refused := range map[jetstream.ErrorCode]bool{10071: true, 10164: true, 10037: false} {
		if wrongRevision(fmt.Errorf("nats: %w", &jetstream.APIError{ErrorCode: code})) != refused {
			t.Errorf("error code %d is not taken for what it is", code)
		}
	}
}

// TestCreateWithoutReply: the creator must not be told that somebody else made the link.
func TestCreateWithoutReply(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	f.proxy.loseReplies()
	done := make(chan result, 1)
	go func() {
		r, err := f.Create(t.Context(), linkstest.Sample(address))
		done <- result{r, err}
	}()
	testenv.Eventually(t, patient, "the link is created", func() bool {
		_, err := f.direct.Latest(t.Context(), address)
		return err == nil
	})
	f.proxy.heal()
	if got := <-done; got.err != nil || got.revision != f.now(t).Revision {
		t.Errorf("Create: revision %d, %v; stored as %d", got.revision, got.err, f.now(t).Revision)
	}
}

// TestServerRestart stops the server under a write and starts it again.
func TestServerRestart(t *testing.T) {
	cfg := embedded.NATSConfig{Port: -1, StoreDir: t.TempDir(), SyncAlways: true, Log: testenv.Log(t)}
	first, err := embedded.StartNATS(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := newFaulty(t, first.URL())
	v := f.created(t)
	f.proxy.loseReplies()
	done := f.update(t.Context(), intent(v.Link, "ours"), v.Revision)
	stored := f.applied(t, v.Revision)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Port = port(t, first.URL())
	second, err := embedded.StartNATS(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	f.proxy.heal()
	if got := <-done; got.err != nil || got.revision != stored.Revision {
		t.Errorf("Update: revision %d, %v; it was applied as %d before the restart", got.revision, got.err, stored.Revision)
	}
	after, err := f.Update(t.Context(), stored.Link, stored.Revision)
	if err != nil || after <= stored.Revision {
		t.Errorf("the next Update: revision %d, %v", after, err)
	}
}

func port(t *testing.T, serverURL string) int {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWatchOutlivesItsConnection writes while the watcher is cut off.
func TestWatchOutlivesItsConnection(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	seen := make(chan links.Stored, 16)
	if err := f.Watch(t.Context(), events.Address{}, func(v links.Stored) { seen <- v }); err != nil {
		t.Fatal(err)
	}
	v := f.created(t)
	if got := <-seen; got.Revision != v.Revision {
		t.Errorf("saw %d, want %d", got.Revision, v.Revision)
	}
	f.proxy.loseReplies()
	next, err := f.direct.Update(t.Context(), v.Link, v.Revision)
	if err != nil {
		t.Fatal(err)
	}
	f.proxy.heal()
	if got := <-seen; got.Revision != next {
		t.Errorf("saw %d, want the write that was lost on the way, %d", got.Revision, next)
	}
}

// TestListThroughLostReplies: a read that was not answered is asked again.
func TestListThroughLostReplies(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	f.created(t)
	lost := f.proxy.loseReplies()
	found := make(chan error, 1)
	n := 0
	go func() {
		found <- f.List(t.Context(), events.Address{}, func(links.Stored) bool { n++; return true })
	}()
	<-lost
	f.proxy.heal()
	if err := <-found; err != nil || n != 1 {
		t.Errorf("%d links, %v", n, err)
	}
}
