package kvstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/linkstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	address = events.Address{Tenant: "default", Provider: "op", Link: "link-1"}
	names   = Buckets{Links: "test_links", Index: "test_index"}
)

// connect is a connection as the bus makes it, for the test's duration.
func connect(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(5*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.IgnoreAuthErrorAbort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func provision(t testing.TB, js jetstream.JetStream, names Buckets) {
	t.Helper()
	for _, name := range []string{names.Links, names.Index} {
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: name, History: 1}); err != nil {
			t.Fatal(err)
		}
	}
}

// open binds a store with the times of production.
func open(t testing.TB, js jetstream.JetStream, names Buckets) *Store {
	t.Helper()
	s, err := New(t.Context(), js, names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Wait)
	return s
}

// openHasty binds a store that soon takes an answer for lost, and never tires of
// asking: how slow a machine is must not show.
func openHasty(t testing.TB, js jetstream.JetStream, names Buckets) *Store {
	t.Helper()
	s := open(t, js, names)
	for _, b := range []*bucket{s.links, s.index} {
		b.tryFor, b.listFor, b.reads = 250*time.Millisecond, 250*time.Millisecond, 1000
	}
	return s
}

func TestConformance(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	var n atomic.Int64
	linkstest.Run(t, func(t *testing.T) linkstest.Stores {
		names := Buckets{Links: fmt.Sprintf("links_%d", n.Add(1)), Index: fmt.Sprintf("index_%d", n.Load())}
		provision(t, js, names)
		s := open(t, js, names)
		return linkstest.Stores{Store: s, Scanner: s, Index: s}
	})
}

func TestNewSaysWhatToDo(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	_, err := New(t.Context(), js, names)
	if !errors.Is(err, jetstream.ErrBucketNotFound) || !strings.HasSuffix(err.Error(), "run `worker provision`") {
		t.Errorf("without buckets: %v", err)
	}
	provision(t, js, names)
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "deep", History: 5}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), js, Buckets{Links: "deep", Index: names.Index}); err == nil {
		t.Error("a bucket with history was accepted")
	}
}

// TestLatestAsksTheLeader listens to what is asked on the wire: every server of
// a cluster may answer a direct get, the leader alone answers MSG.GET.
func TestLatestAsksTheLeader(t *testing.T) {
	url := testenv.NATS(t)
	js, spy := connect(t, url), connect(t, url).Conn()
	provision(t, js, names)
	s := open(t, js, names)
	if _, err := s.Create(t.Context(), linkstest.Sample(address)); err != nil {
		t.Fatal(err)
	}
	asked := make(chan *nats.Msg, 16)
	if _, err := spy.ChanSubscribe("$JS.API.>", asked); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		read func(context.Context, events.Address) (links.Stored, error)
		want string
	}{
		{s.Latest, "$JS.API.STREAM.MSG.GET.KV_test_links"},
		{s.Get, "$JS.API.DIRECT.GET.KV_test_links.$KV.test_links.default.op.link-1"},
	} {
		if _, err := c.read(t.Context(), address); err != nil {
			t.Fatal(err)
		}
		if m := <-asked; m.Subject != c.want {
			t.Errorf("asked %s, want %s", m.Subject, c.want)
		}
	}
}

// They hide no other: a scan that ended at one would find nothing behind it, ever.
func TestRecordsOfANewerLayoutAreRefused(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provision(t, js, names)
	s := open(t, js, names)
	for _, id := range []string{"before", address.Link, "after"} {
		l := linkstest.Sample(events.Address{Tenant: address.Tenant, Provider: address.Provider, Link: id})
		if _, err := s.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if id != address.Link {
			continue
		}
		if _, err := s.links.kv.Put(t.Context(), address.Token(), []byte(`{"v":99}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Latest(t.Context(), address); !errors.Is(err, links.ErrRecord) {
		t.Errorf("Latest: %v, want ErrRecord", err)
	}
	var found []string
	err := s.List(t.Context(), events.Address{}, func(l links.Stored) bool {
		found = append(found, l.Link.Address.Link)
		return true
	})
	passed := (*links.Unreadable)(nil)
	if !errors.As(err, &passed) || passed.Count != 1 || !errors.Is(err, links.ErrRecord) || !strings.Contains(err.Error(), address.Token()) {
		t.Errorf("List: %v, want one ErrRecord of %s", err, address)
	}
	if want := []string{"before", "after"}; !slices.Equal(found, want) {
		t.Errorf("List has %q, want %q", found, want)
	}
	if err := s.List(t.Context(), events.Address{}, func(l links.Stored) bool { return l.Link.Address.Link != "after" }); err != nil {
		t.Errorf("who has heard enough was told: %v", err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	js := connect(b, testenv.NATS(b))
	provision(b, js, names)
	s := open(b, js, names)
	l := linkstest.Sample(address)
	revision, err := s.Create(b.Context(), l)
	for b.Loop() {
		if err != nil {
			b.Fatal(err)
		}
		revision, err = s.Update(b.Context(), l, revision)
	}
}

func BenchmarkGet(b *testing.B) {
	js := connect(b, testenv.NATS(b))
	provision(b, js, names)
	s := open(b, js, names)
	if _, err := s.Create(b.Context(), linkstest.Sample(address)); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		read func(context.Context, events.Address) (links.Stored, error)
	}{{"any replica", s.Get}, {"leader", s.Latest}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.read(b.Context(), address); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkList1000(b *testing.B) {
	js := connect(b, testenv.NATS(b))
	provision(b, js, names)
	s := open(b, js, names)
	for n := range 1000 {
		a := address
		a.Link = fmt.Sprint("link-", n)
		if _, err := s.Create(b.Context(), linkstest.Sample(a)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := s.List(b.Context(), events.Address{Provider: "op"}, func(links.Stored) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
