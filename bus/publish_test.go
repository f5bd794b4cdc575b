package bus_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
)

func output(b *bus.Bus, name events.Name, number int) events.Message {
	return events.Message{
		Subject: b.Names().Subjects().Out(link, name),
		Header: map[string][]string{
			events.HeaderMsgID: {"out-" + strconv.Itoa(number)}, events.HeaderSequence: {strconv.Itoa(number)},
			events.HeaderGeneration: {strconv.Itoa(number)},
		},
		Data: []byte("{}"),
	}
}

func announce(t *testing.T, b *bus.Bus, m events.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.PublishOutput(ctx, m); err != nil {
		t.Fatal(err)
	}
}

func TestLastOutputIsTheLinksLastOfAnyName(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	if n, err := b.LastOutput(t.Context(), link); n != 0 || err != nil {
		t.Fatalf("of nothing: %d, %v", n, err)
	}
	announce(t, b, output(b, events.NameLinkCreated, 1))
	announce(t, b, output(b, events.NameTokenRotated, 2))
	announce(t, b, output(b, events.NameConsentRequired, 3))
	other := output(b, events.NameTokenRotated, 9)
	other.Subject = strings.Replace(other.Subject, "L1", "L2", 1)
	announce(t, b, other)
	if n, err := b.LastOutput(t.Context(), link); n != 3 || err != nil {
		t.Fatalf("last output %d, %v", n, err)
	}
}

func TestARepetitionCountsAsStoredAndReachesNobodyTwice(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	seen := make(chan string, 10)
	end, err := b.Live(t.Context(), func(a events.Address, header map[string][]string) {
		seen <- a.String() + " " + header[events.HeaderGeneration][0]
	})
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	for _, number := range []int{1, 1, 1, 2} {
		announce(t, b, output(b, events.NameTokenRotated, number))
	}
	if first, second := next(t, "live", seen), next(t, "live", seen); first != "default/op/L1 1" || second != "default/op/L1 2" {
		t.Fatalf("saw %s, %s", first, second)
	}
	if n := messages(t, b, b.Names().Out()); n != 2 {
		t.Fatalf("%d stored", n)
	}
}

// The live feed shows what was stored, not what was published: here the stream
// refuses, while the publish itself reaches every subscriber of its subject.
func TestLiveNeverShowsWhatWasNotStored(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	seen := make(chan string, 10)
	end, err := b.Live(t.Context(), func(_ events.Address, header map[string][]string) {
		seen <- header[events.HeaderMsgID][0]
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := output(b, events.NameTokenRotated, 1)
	refused.Header["Nats-Expected-Last-Sequence"] = []string{"77"}
	if err := b.PublishOutput(t.Context(), refused); err == nil {
		t.Fatal("the stream took it")
	}
	announce(t, b, output(b, events.NameTokenRotated, 2))
	if got := next(t, "live", seen); got != "out-2" {
		t.Fatalf("saw %s", got)
	}
	end()
	announce(t, b, output(b, events.NameTokenRotated, 3))
	if len(seen) != 0 {
		t.Fatal("saw something after the end")
	}
}

func TestAnUnknownProviderFailsAtThePublisherAtOnce(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	stranger := events.Address{Tenant: "default", Provider: "nobody", Link: "L1"}
	err := b.PublishInput(t.Context(), events.Message{Subject: b.Names().Subjects().In(stranger, events.NameTokenExpired)})
	if !errors.Is(err, bus.ErrUnknownProvider) || !strings.Contains(err.Error(), "nobody; known: op, bank") {
		t.Fatalf("error %v", err)
	}
}

func TestPublishToAnEmptyServerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Config{URL: newServer(t).run.URL()})
	err := b.PublishInput(t.Context(), events.Message{Subject: b.Names().Subjects().In(link, events.NameTokenExpired)})
	if !errors.Is(err, bus.ErrNotProvisioned) || !strings.Contains(err.Error(), "`worker provision`") {
		t.Fatalf("error %v", err)
	}
}

func TestPublishWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	s.stop()
	testenv.Eventually(t, patience, "unready", func() bool { return b.Ready() != nil })
	ctx, cancel := context.WithTimeout(t.Context(), short.Heartbeat)
	defer cancel()
	if err := b.PublishOutput(ctx, output(b, events.NameTokenRotated, 1)); !errors.Is(err, bus.ErrUnconfirmed) {
		t.Fatalf("error %v", err)
	}
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		result <- b.PublishOutput(ctx, output(b, events.NameTokenRotated, 2))
	}()
	s.start()
	if err := next(t, "the result", result); err != nil {
		t.Fatal(err)
	}
	// The one whose caller gave up was not buffered and sent behind its back.
	if n := messages(t, b, b.Names().Out()); n != 1 {
		t.Fatalf("%d stored", n)
	}
}

func TestNowIsTheServersClock(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	before := time.Now()
	now, err := b.Now(t.Context())
	if err != nil || now.Before(before.Add(-time.Second)) || now.After(time.Now().Add(time.Second)) {
		t.Fatalf("%v, %v", now, err) // the same machine
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	for number := 1; number <= 5; number++ {
		announce(t, b, output(b, events.NameTokenRotated, number))
	}
	announce(t, b, output(b, events.NameConsentRequired, 6))
	rotated := b.Names().Subjects().OutFilter(events.Address{}, events.NameTokenRotated)
	for name, c := range map[string]struct {
		spec bus.WatchSpec
		want string
	}{
		"all stored":   {bus.WatchSpec{Stored: true}, "123456"},
		"of one name":  {bus.WatchSpec{Stored: true, Subject: rotated}, "12345"},
		"counted":      {bus.WatchSpec{Since: time.Now().Add(-time.Hour), Count: 2}, "12"},
		"nothing left": {bus.WatchSpec{Stored: true, Since: time.Now().Add(time.Hour)}, ""},
	} {
		var got string
		err := b.Watch(t.Context(), c.spec, func(m *inbox.Message) error {
			got += m.Header[events.HeaderSequence][0]
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("%s: %q, want %q, %v", name, got, c.want, err)
		}
	}
	mine := errors.New("enough")
	if err := b.Watch(t.Context(), bus.WatchSpec{Stored: true}, func(*inbox.Message) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the caller's error: %v", err)
	}
}

func TestWatchFollowsWhatComes(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	announce(t, b, output(b, events.NameTokenRotated, 1))
	seen, result := make(chan string, 10), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		result <- b.Watch(ctx, bus.WatchSpec{Since: time.Now().Add(-time.Hour)}, func(m *inbox.Message) error {
			seen <- m.Header[events.HeaderSequence][0]
			return nil
		})
	}()
	next(t, "the stored one", seen)
	announce(t, b, output(b, events.NameTokenRotated, 2))
	if got := next(t, "the live one", seen); got != "2" {
		t.Fatal(got)
	}
	cancel()
	if err := next(t, "the end", result); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
