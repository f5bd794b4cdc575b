package kvstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/linkstest"
)

const flowBucket = "test_consents"

// provisionFlows makes a bucket as the bus plans it, but for the markers' life.
func provisionFlows(t testing.TB, js jetstream.JetStream, name string, markers time.Duration) {
	t.Helper()
	cfg := jetstream.KeyValueConfig{Bucket: name, History: 1, LimitMarkerTTL: markers}
	if _, err := js.CreateKeyValue(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func openFlows(t testing.TB, js jetstream.JetStream, name string) *Flows {
	t.Helper()
	f, err := NewFlows(t.Context(), js, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFlowsConformance(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	var n atomic.Int64
	linkstest.Flows(t, func(t *testing.T) linkstest.FlowStore {
		name := fmt.Sprint("consents_", n.Add(1))
		provisionFlows(t, js, name, time.Minute)
		f := openFlows(t, js, name)
		return linkstest.FlowStore{Store: f, Expire: func(t *testing.T, key string) {
			if err := f.bucket.kv.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}}
	})
}

func TestNewFlowsSaysWhatToDo(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	_, missing := NewFlows(t.Context(), js, flowBucket)
	provisionFlows(t, js, flowBucket, 0)
	_, endless := NewFlows(t.Context(), js, flowBucket)
	for what, err := range map[string]error{"without a bucket": missing, "without a life of keys": endless} {
		if err == nil || !strings.HasSuffix(err.Error(), "run `worker provision`") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestEveryFlowWriteNamesItsLife reads the header of what is stored.
func TestEveryFlowWriteNamesItsLife(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provisionFlows(t, js, flowBucket, time.Minute)
	s := openFlows(t, js, flowBucket)
	f := linkstest.SampleFlow("state")
	f.ExpiresAt = f.ExpiresAt.Add(1) // more than whole seconds
	f.HeldUntil = f.BeganAt.Add(7 * 24 * time.Hour)
	revision, err := s.Create(t.Context(), f)
	for _, step := range []struct {
		status consents.Status
		life   string
	}{
		{consents.Pending, "24h10m1s"}, {consents.Presented, "744h0m0s"}, {consents.Exchanged, "744h0m0s"},
		{consents.Held, "912h0m0s"}, {consents.Applied, "744h0m0s"}, {consents.Failed, "744h0m0s"},
	} {
		if f.Status = step.status; step.status != consents.Pending {
			revision, err = s.Update(t.Context(), f, revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		stored, err := s.bucket.stream.GetMsg(t.Context(), revision)
		if err != nil {
			t.Fatal(err)
		}
		if life := stored.Header.Get(jetstream.MsgTTLHeader); life != step.life {
			t.Errorf("%s is kept for %q, want %s", step.status, life, step.life)
		}
	}
}

// TestLifeOfAKey is what we know of the server: a key lives as its last write
// said, and for ever if that said nothing. A key that it removed is free.
func TestLifeOfAKey(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provisionFlows(t, js, flowBucket, time.Second) // a longer life of markers lengthens that of keys
	s := openFlows(t, js, flowBucket)
	live := func(state string) bool {
		e, err := s.bucket.leader(t.Context(), consents.Key(state))
		if err != nil {
			t.Fatal(err)
		}
		return e.live
	}
	forgotten, longer, ends := s.twice(t, "forgotten", 0), s.twice(t, "longer", time.Hour), s.twice(t, "ends", time.Second)
	testenv.Eventually(t, patient, "the key is removed", func() bool { return !live(ends) })
	for what, state := range map[string]string{"named none": forgotten, "named a longer one": longer} {
		if !live(state) {
			t.Errorf("gone with the life of its first write, though the second one %s", what)
		}
	}
	if _, err := s.Create(t.Context(), linkstest.SampleFlow(ends)); err != nil {
		t.Errorf("Create where a key has ended: %v", err)
	}
}

// twice writes a key with a life of a second and again with another one, and
// returns its state. On a machine so slow that the key ended in between it takes the next.
func (f *Flows) twice(t *testing.T, state string, keep time.Duration) string {
	t.Helper()
	for n := 0; ; n++ {
		state := fmt.Sprint(state, n)
		c := change{key: consents.Key(state), value: []byte("1"), keep: time.Second}
		revision, err := f.bucket.write(t.Context(), c)
		if err == nil {
			c.value, c.revision, c.keep = []byte("2"), revision, keep
			_, err = f.bucket.write(t.Context(), c)
		}
		switch {
		case err == nil:
			return state
		case !errors.Is(err, errRefused):
			t.Fatal(err)
		}
	}
}

// TestFlowsAskTheLeader: a flow that was presented must not be read as pending.
func TestFlowsAskTheLeader(t *testing.T) {
	url := testenv.NATS(t)
	js, spy := connect(t, url), connect(t, url).Conn()
	provisionFlows(t, js, flowBucket, time.Minute)
	s := openFlows(t, js, flowBucket)
	asked := make(chan *nats.Msg, 16)
	if _, err := spy.ChanSubscribe("$JS.API.>", asked); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), consents.Key("state")); !errors.Is(err, links.ErrNotFound) {
		t.Fatal(err)
	}
	if m := <-asked; m.Subject != "$JS.API.STREAM.MSG.GET.KV_test_consents" {
		t.Errorf("asked %s", m.Subject)
	}
}

func TestFlowsOfANewerLayoutAreRefused(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provisionFlows(t, js, flowBucket, time.Minute)
	s := openFlows(t, js, flowBucket)
	if _, err := s.bucket.kv.Put(t.Context(), consents.Key("state"), []byte(`{"v":99}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), linkstest.SampleFlow("another state")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), consents.Key("state")); !errors.Is(err, consents.ErrRecord) {
		t.Errorf("Get: %v, want ErrRecord", err)
	}
	passed, listed := (*links.Unreadable)(nil), 0
	err := s.List(t.Context(), func(consents.Stored) bool { listed++; return true })
	if !errors.As(err, &passed) || passed.Count != 1 || !errors.Is(err, consents.ErrRecord) || listed != 1 {
		t.Errorf("List: %d flows and %v, want the other flow and ErrRecord", listed, err)
	}
}

// faultyFlows is a store of flows behind a proxy, beside one that sees the server as it is.
type faultyFlows struct {
	*Flows
	proxy  *proxy
	direct *Flows
}

func newFaultyFlows(t *testing.T) faultyFlows {
	t.Helper()
	url := testenv.NATS(t)
	p, js := newProxy(t, url), connect(t, url)
	provisionFlows(t, js, flowBucket, time.Minute)
	f := faultyFlows{proxy: p, direct: openFlows(t, js, flowBucket)}
	f.Flows = openFlows(t, connect(t, p.url()), flowBucket)
	f.bucket.tryFor, f.bucket.reads = 250*time.Millisecond, 1000
	return f
}

func inBackground(write func() (uint64, error)) <-chan result {
	done := make(chan result, 1)
	go func() {
		revision, err := write()
		done <- result{revision, err}
	}()
	return done
}

// status waits until the flow has the status.
func (f faultyFlows) status(t *testing.T, want consents.Status) consents.Stored {
	t.Helper()
	var v consents.Stored
	testenv.Eventually(t, patient, "the flow is "+string(want), func() (ok bool) {
		var err error
		v, err = f.direct.Get(t.Context(), consents.Key("state"))
		return err == nil && v.Flow.Status == want
	})
	return v
}

// TestFlowWritesWithoutReply: applied, and the answer lost. Whoever believed
// that he was refused would give up a code that nobody else may present.
func TestFlowWritesWithoutReply(t *testing.T) {
	f := newFaultyFlows(t)
	flow := linkstest.SampleFlow("state")
	f.proxy.loseReplies()
	done := inBackground(func() (uint64, error) { return f.Create(t.Context(), flow) })
	pending := f.status(t, consents.Pending)
	f.proxy.heal()
	if got := <-done; got.err != nil || got.revision != pending.Revision {
		t.Fatalf("Create: revision %d, %v; it was applied as %d", got.revision, got.err, pending.Revision)
	}
	flow.Status, flow.Attempt = consents.Presented, "ours"
	f.proxy.loseReplies()
	done = inBackground(func() (uint64, error) { return f.Update(t.Context(), flow, pending.Revision) })
	stored := f.status(t, consents.Presented)
	f.proxy.heal()
	if got := <-done; got.err != nil || got.revision != stored.Revision {
		t.Errorf("Update: revision %d, %v; it was applied as %d", got.revision, got.err, stored.Revision)
	}
	if last := f.status(t, consents.Presented); last.Revision != stored.Revision {
		t.Errorf("written again as %d after %d", last.Revision, stored.Revision)
	}
}

// TestPresentationOvertakenBeforeItsRequest: of two that may present a code, the
// one whose request was lost learns that the other one does.
func TestPresentationOvertakenBeforeItsRequest(t *testing.T) {
	f := newFaultyFlows(t)
	flow := linkstest.SampleFlow("state")
	revision, err := f.direct.Create(t.Context(), flow)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := flow, flow
	ours.Status, ours.Attempt = consents.Presented, "ours"
	theirs.Status, theirs.Attempt = consents.Presented, "theirs"
	lost := f.proxy.loseRequests()
	done := inBackground(func() (uint64, error) { return f.Update(t.Context(), ours, revision) })
	<-lost
	if _, err := f.direct.Update(t.Context(), theirs, revision); err != nil {
		t.Fatal(err)
	}
	f.proxy.heal()
	if got := <-done; !errors.Is(got.err, links.ErrConflict) {
		t.Errorf("Update: revision %d, %v; want ErrConflict", got.revision, got.err)
	}
	if v := f.status(t, consents.Presented); v.Flow.Attempt != "theirs" {
		t.Errorf("attempt %s is stored", v.Flow.Attempt)
	}
}

func TestFlowContextEndsBeforeAnAnswer(t *testing.T) {
	f := newFaultyFlows(t)
	f.proxy.loseReplies()
	ctx, cancel := context.WithCancel(t.Context())
	done := inBackground(func() (uint64, error) { return f.Create(ctx, linkstest.SampleFlow("state")) })
	f.status(t, consents.Pending)
	cancel()
	if got := <-done; !errors.Is(got.err, links.ErrUnknown) || !errors.Is(got.err, context.Canceled) {
		t.Errorf("Create: revision %d, %v; want ErrUnknown and the context's error", got.revision, got.err)
	}
}

// TestPutPrefix: the default API's prefix is no part of a bucket's subjects.
func TestPutPrefix(t *testing.T) {
	for _, c := range []struct {
		options jetstream.JetStreamOptions
		want    string
	}{
		{jetstream.JetStreamOptions{}, ""},
		{jetstream.JetStreamOptions{APIPrefix: jetstream.DefaultAPIPrefix}, ""},
		{jetstream.JetStreamOptions{APIPrefix: "other.api"}, "other.api."},
		{jetstream.JetStreamOptions{Domain: "leaf"}, "$JS.leaf.API."},
	} {
		if got := putPrefix(c.options); got != c.want {
			t.Errorf("domain %q, prefix %q: %q, want %q", c.options.Domain, c.options.APIPrefix, got, c.want)
		}
	}
}
