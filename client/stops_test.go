package client_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/client"
)

// effects are what an application would keep in its database: effects and their keys.
type effects struct {
	mu    sync.Mutex
	keys  map[client.Key]bool
	count map[string]int
	calls int
}

func (e *effects) Has(_ context.Context, k client.Key) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keys[k], nil
}

func (e *effects) Add(context.Context, client.Key) error { return nil } // the handler did

// write is the transaction: the effect, unless its key is there.
func (e *effects) write(d client.Delivery) (total int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if !e.keys[d.Key] {
		e.keys[d.Key] = true
		e.count[fmt.Sprint(d.Link, ".", d.Generation)]++
	}
	return e.calls
}

// A subscriber is killed twenty times in the middle of its work: each generation of
// each link has its effect, and by its key once.
func TestASubscriberKilledTwentyTimesMissesNothing(t *testing.T) {
	const links = 20
	total, kills := 10_000, 20
	if testing.Short() {
		total = 1000
	}
	w := cell(t)
	done := &effects{keys: map[client.Key]bool{}, count: map[string]int{}}
	cfg := client.SubscribeConfig{Name: "crm", FromSequence: 1, Seen: done, AckWait: time.Second, Grace: time.Nanosecond}
	publishing := make(chan struct{})
	go func() {
		defer close(publishing)
		for i := range total {
			w.announce(rotated(i%links, i/links+1))
		}
	}()
	for kill := range kills + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		c := w.service(nil)
		die := make(chan struct{})
		var once sync.Once
		ended := make(chan error, 1)
		go func() {
			ended <- c.Subscribe(ctx, cfg, client.OnAny(func(_ context.Context, d client.Delivery) error {
				if n := done.write(d); kill < kills && n >= (kill+1)*total/(kills+2) {
					once.Do(func() { close(die) })
					<-ctx.Done() // written, and never acknowledged
				}
				return nil
			}))
		}()
		if kill == kills {
			<-publishing
			waitFor(t, "everything handled", func() bool { return pending(w) == 0 })
		} else {
			next(t, "the moment to die", die)
		}
		gone, over := context.WithCancel(t.Context())
		over()
		if kill < kills {
			_ = c.Close(gone) // the connection is cut: no acknowledgement leaves
		}
		cancel()
		must(t, next(t, "the end", ended))
	}
	if len(done.count) != total {
		t.Errorf("%d of %d generations handled", len(done.count), total)
	}
	for generation, n := range done.count {
		if n != 1 {
			t.Errorf("%s had its effect %d times", generation, n)
		}
	}
	t.Logf("%d handler calls for %d events", done.calls, total)
}

// A subscription that is stopped while events come leaves none with the server that
// would have to time out first: whoever comes next gets everything at once.
func TestAStopLeavesNothingBehind(t *testing.T) {
	w := cell(t)
	const stops = 40
	enough, publishing := make(chan struct{}), make(chan struct{})
	total := 0
	go func() {
		defer close(publishing)
		for ; ; total++ {
			select {
			case <-enough:
				return
			default:
				w.announce(rotated(total%7, total/7+1))
			}
		}
	}()
	done := &effects{keys: map[client.Key]bool{}, count: map[string]int{}}
	cfg := client.SubscribeConfig{FromSequence: 1, Seen: done, AckWait: time.Hour}
	c := w.service(nil)
	for range stops {
		one := make(chan struct{}, 1)
		r := subscribe(t, c, cfg, client.OnAny(func(_ context.Context, d client.Delivery) error {
			done.write(d)
			select {
			case one <- struct{}{}:
			default:
			}
			return nil
		}))
		next(t, "an event", one)
		if err := r.wait(); err != nil {
			t.Error(err)
		}
	}
	close(enough)
	<-publishing
	subscribe(t, c, cfg, client.OnAny(func(_ context.Context, d client.Delivery) error { done.write(d); return nil }))
	waitFor(t, "everything handled", func() bool { return pending(w) == 0 })
	if len(done.count) != total {
		t.Errorf("%d of %d handled", len(done.count), total)
	}
}
