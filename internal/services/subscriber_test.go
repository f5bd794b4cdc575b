package services_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
)

// subscriberOrders are those of a service that enters every rotation into a book.
type subscriberOrders struct {
	NATS, Book string
	AckWait    time.Duration
	// Hold is the how manieth event of this life the service stands still with, and
	// says so; After: it is in the book then, and not acknowledged. Zero: none.
	Hold  int
	After bool
	// Until is how many entries the service says that it has.
	Until int
}

// subscription is the one of all lives.
const subscription = "book"

// subscribes is the service.
func subscribes(ctx context.Context, orders []byte) error {
	var o subscriberOrders
	if err := json.Unmarshal(orders, &o); err != nil {
		return err
	}
	b, err := openBook(o.Book)
	if err != nil {
		return err
	}
	c, err := connect(ctx, client.Config{URL: o.NATS, Name: "subscriber"})
	if err != nil {
		return err
	}
	fmt.Println(saysReady)
	var handled atomic.Int64
	err = c.Subscribe(ctx, client.SubscribeConfig{Name: subscription, FromSequence: 1, AckWait: o.AckWait, Seen: b},
		client.On(func(_ context.Context, d client.Delivery, e events.TokenRotated) error {
			held := handled.Add(1) == int64(o.Hold)
			if held && !o.After {
				stand()
			}
			entries, err := b.enter(entry{d.Key, e.Link, e.Generation, d.Late})
			if held {
				stand()
			}
			if entries == o.Until {
				fmt.Println(saysHolds)
			}
			return err
		}))
	return errors.Join(err, leave(c), b.close())
}

// stand waits to be killed.
func stand() {
	fmt.Println(saysHolds)
	select {}
}

// entry is one effect of the service, with the key of the event that it is of.
type entry struct {
	Key        client.Key
	Link       string
	Generation uint64
	Late       bool
}

// book is the service's table: an entry and the event's key are written by one write.
// As client.Seen it goes by the same table, and notes in a second file what came again.
type book struct {
	mu           sync.Mutex
	file, repeat *os.File
	has          map[client.Key]bool
}

func openBook(path string) (*book, error) {
	b := &book{has: map[client.Key]bool{}}
	old, err := readBook(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range old {
		b.has[e.Key] = true
	}
	if b.file, err = appending(path); err != nil {
		return nil, err
	}
	b.repeat, err = appending(repeats(path))
	return b, err
}

// repeats is the second file of a book.
func repeats(path string) string { return path + ".again" }

func appending(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func readBook(path string) (all []entry, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, e)
	}
	return all, nil
}

// enter makes an entry and returns how many there are.
func (b *book) enter(e entry) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := write(b.file, e); err != nil {
		return 0, err
	}
	b.has[e.Key] = true
	return len(b.has), nil
}

func write(to *os.File, e entry) error {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = to.Write(append(line, '\n'))
	}
	return err
}

// Has implements client.Seen.
func (b *book) Has(_ context.Context, key client.Key) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.has[key] {
		return false, nil
	}
	return true, write(b.repeat, entry{Key: key})
}

// Add implements client.Seen: the entry said it all.
func (b *book) Add(context.Context, client.Key) error { return nil }

func (b *book) close() error { return errors.Join(b.file.Close(), b.repeat.Close()) }
