package replay_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/replay"
)

// hour is a time of which a subscriber lost everything: short, and with others before and
// after it.
type hour struct {
	since, until time.Time
	first, last  uint64
	lost, all    []string
}

// happens makes a few links and refreshes them, and returns when that began.
func (s *scene) happens() (from uint64, at time.Time) {
	s.t.Helper()
	was := s.outputs()
	made, err := s.Import(s.t.Context(), "op", 3)
	must(s.t, err)
	for _, l := range made {
		s.say(events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized})
	}
	s.atRest()
	is := s.outputs()
	if len(is) < len(was)+6 {
		s.t.Fatalf("%d outputs", len(is)-len(was))
	}
	return is[len(was)].Sequence, is[len(was)].StoredAt
}

func (s *scene) outputs() (all []*inbox.Message) {
	s.t.Helper()
	must(s.t, s.Bus.Watch(s.t.Context(), bus.WatchSpec{Stored: true}, func(m *inbox.Message) error { all = append(all, m); return nil }))
	return all
}

func (s *scene) hour(first, next uint64, since, until time.Time) hour {
	h := hour{since: since, until: until, first: first, last: next - 1}
	for _, m := range s.outputs() {
		text := m.Header[events.HeaderMsgID][0] + string(m.Data)
		h.all = append(h.all, text)
		if m.Sequence >= first && m.Sequence < next {
			h.lost = append(h.lost, text)
		}
	}
	return h
}

// hears subscribes as a service does that knows nothing but NATS.
func (s *scene) hears(subject string) (*nats.Subscription, func() []string) {
	s.t.Helper()
	sub, err := s.Bus.Conn().SubscribeSync(subject)
	must(s.t, err)
	must(s.t, s.Bus.Conn().Flush())
	return sub, func() (got []string) {
		must(s.t, s.Bus.Conn().Flush()) // all that was sent to us before is here
		for {
			m, err := sub.NextMsg(0)
			if errors.Is(err, nats.ErrTimeout) {
				return got
			}
			must(s.t, err)
			got = append(got, m.Header.Get(events.HeaderMsgID)+string(m.Data))
		}
	}
}

// Show 2: a subscriber that lost an hour gets exactly that hour's outputs again, and has
// every event once then. Nobody else receives any of them.
func TestOneSubscriberGetsTheHourItLost(t *testing.T) {
	s := newScene(t)
	live := s.Bus.Names().Subjects().LiveAll()
	_, others := s.hears(live)
	service := s.subscribes(t, "service", client.SubscribeConfig{FromSequence: 1})
	before, got := s.hears(live)
	s.happens()
	had := got()
	must(t, before.Unsubscribe())
	first, since := s.happens() // unheard
	_, got = s.hears(live)
	next, until := s.happens()
	h := s.hour(first, next, since, until)
	if n := len(others()); n != len(h.all) {
		t.Fatalf("the other subscriber has %d of %d", n, len(h.all))
	}
	served := service(len(h.all))

	_, again := s.hears("lost.hour")
	r := &replay.Replay{Bus: s.Bus, Position: replay.Position{Run: "r", Selection: replay.Selection{Since: since, Until: until, To: "lost.hour"}}}
	must(t, r.Begin(t.Context()))
	must(t, r.Do(t.Context()))
	sent := again()
	if !slices.Equal(sent, h.lost) || r.Counts.Replayed != uint64(len(h.lost)) || r.Counts.Total != r.Counts.Replayed {
		t.Errorf("%d events were sent again, want %d; counts: %+v", len(sent), len(h.lost), r.Counts)
	}
	if everything := slices.Concat(had, sent, got()); !slices.Equal(everything, h.all) {
		t.Errorf("it has %d events of %d now", len(everything), len(h.all))
	}
	if n := len(others()); n != 0 {
		t.Errorf("another subscriber saw %d of them", n)
	}
	if n := len(service(len(served))); n != len(h.all) {
		t.Errorf("a subscription saw %d events, of %d", n, len(h.all))
	}
}

// A service that uses package client needs no replay: a new subscription since then gets
// the same.
func TestASubscriptionSinceThenGetsTheSameHour(t *testing.T) {
	s := newScene(t)
	s.happens()
	first, since := s.happens()
	next, until := s.happens()
	h := s.hour(first, next, since, until)
	got := s.subscribes(t, "again", client.SubscribeConfig{Since: since})(len(h.all) - int(first) + 1)
	hours := slices.DeleteFunc(got, func(d client.Delivery) bool { return !d.StoredAt.Before(until) })
	var numbers []uint64
	for _, d := range hours {
		numbers = append(numbers, d.Sequence)
	}
	slices.Sort(numbers)
	if n := len(numbers); n != len(h.lost) || numbers[0] != h.first || numbers[n-1] != h.last || len(slices.Compact(numbers)) != n {
		t.Errorf("it got %v, want %d to %d", numbers, h.first, h.last)
	}
}

// subscribes begins a subscription. What it returns waits until so many events were
// handled, and returns all.
func (s *scene) subscribes(t *testing.T, name string, cfg client.SubscribeConfig) func(n int) []client.Delivery {
	t.Helper()
	c, err := client.New(t.Context(), client.Config{URL: s.Config.NATS.URL, Name: name, Tenant: "default"})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	came, ended := make(chan client.Delivery, 1000), make(chan error, 1)
	cfg.Name, cfg.Slots = name, 1
	go func() {
		ended <- c.Subscribe(ctx, cfg, client.OnAny(func(_ context.Context, d client.Delivery) error { came <- d; return nil }))
	}()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
		ends(t, c.Close)
	})
	var all []client.Delivery
	return func(n int) []client.Delivery {
		t.Helper()
		for len(all) < n {
			select {
			case d := <-came:
				all = append(all, d)
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(patience):
				t.Fatalf("%d of %d events came", len(all), n)
			}
		}
		for len(came) > 0 {
			all = append(all, <-came)
		}
		return all
	}
}
