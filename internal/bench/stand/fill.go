package stand

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/secret"
)

// importers is how many links are imported at once.
const importers = 64

// Import makes the first n links at a provider, as `worker links import` would.
func (c *Cell) Import(ctx context.Context, at string, n int) error {
	im := worker.Importer(c.Config, c.Bus, c.store, c.keys, time.Now)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	free := make(chan struct{}, importers)
	var under sync.WaitGroup
	for i := 0; i < n && ctx.Err() == nil; i++ {
		free <- struct{}{}
		under.Go(func() {
			defer func() { <-free }()
			if err := im.Import(ctx, c.line(at, i)); err != nil {
				fail(fmt.Errorf("import %s: %w", Address(at, i).Link, err))
			}
		})
	}
	under.Wait()
	return context.Cause(ctx)
}

// line is the i-th link as it would stand in an import.
func (c *Cell) line(at string, i int) handlers.ImportLine {
	a := Address(at, i)
	t := provider.Token{Cell: c.Name, Link: at + "-" + a.Link, Generation: 1}
	return handlers.ImportLine{
		Address: a, User: "user-" + a.Link, Nickname: "login " + a.Link,
		Access: secret.New(t.Access()), Refresh: secret.New(t.Refresh()), ExpiresAt: time.Now().Add(provider.TTL),
	}
}

// Fill publishes total reports of the first n links, in turns.
func (c *Cell) Fill(ctx context.Context, at string, n, total int) error {
	reports := make([]*nats.Msg, n)
	for i := range reports {
		m, err := Report(c.Bus.Names().Subjects(), Address(at, i))
		if err != nil {
			return err
		}
		reports[i] = m
	}
	js, err := jetstream.New(c.Bus.Conn(), jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		return err
	}
	for i := range total {
		m := *reports[i%n]
		if _, err := js.PublishMsgAsync(&m, jetstream.WithStallWait(time.Minute)); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.holds(ctx, total)
}

// holds makes sure that every report was stored.
func (c *Cell) holds(ctx context.Context, total int) error {
	stream, err := c.Bus.JetStream().Stream(ctx, c.Bus.Names().In())
	if err != nil {
		return err
	}
	if stored := stream.CachedInfo().State.Msgs; stored != uint64(total) {
		return fmt.Errorf("fill: %d of %d reports were stored", stored, total)
	}
	return nil
}
