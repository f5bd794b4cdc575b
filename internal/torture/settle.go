package main

import (
	"context"
	"fmt"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	regrantworker "github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/spool"
)

// settleFor bounds the wait until nothing is left to do. What is left then, the judge
// calls lost.
const settleFor = 90 * time.Second

// settle waits, and returns what is left; "" is nothing.
func (c *cell) settle(ctx context.Context, left func(context.Context) string) string {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	poll := time.NewTicker(500 * time.Millisecond)
	defer poll.Stop()
	for quiet, last := 0, ""; ; {
		if is := left(ctx); is == "" {
			quiet++ // a timer may be about to fire
		} else if ctx.Err() == nil {
			quiet, last = 0, is
		}
		if quiet == 3 {
			return ""
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return last
		}
	}
}

// left names something that workers have still to do.
func (c *cell) left(ctx context.Context) string {
	if is := c.queued(ctx); is != "" {
		return is
	}
	found := ""
	err := c.Store.List(ctx, events.Address{}, func(s links.Stored) bool {
		found = c.leftOf(ctx, s.Link)
		return found == ""
	})
	if err != nil {
		return err.Error()
	}
	if found == "" {
		found = c.spooled()
	}
	return found
}

// leftOf says what of one link. Its record names events until its next write, whether
// they are stored or not.
func (c *cell) leftOf(ctx context.Context, l links.Link) string {
	// Of an unknown outcome an answer may come within a deadline; else the old bearer may
	// live, or the worker that said until when had a clock that is ahead.
	wait := time.Until(l.AnswersUntil)
	awaited := l.Status == links.Uncertain && wait > 0 && wait <= c.Config.Budget().DeadlineOnce
	if awaited || l.Status == links.Refreshing || l.Status == links.Unverified || l.Exchange != nil {
		return fmt.Sprintf("link %s is %s, exchanging %t", l.Address, l.Status, l.Exchange != nil)
	}
	if len(l.Outbox) == 0 {
		return ""
	}
	last, err := c.Bus.LastOutput(ctx, l.Address)
	if err != nil || last < l.EventNumber {
		return fmt.Sprintf("event %d of %s is not stored: the last one is %d, %v", l.EventNumber, l.Address, last, err)
	}
	return ""
}

// queued says which queue holds something.
func (c *cell) queued(ctx context.Context) string {
	n := c.Bus.Names()
	for _, provider := range names() {
		for durable, stream := range map[string]string{n.WorkerConsumer(provider): n.In(), n.DueConsumer(provider): n.Timer()} {
			got, err := c.Bus.JetStream().Consumer(ctx, stream, durable)
			if err != nil {
				return err.Error()
			}
			if i := got.CachedInfo(); i.NumPending > 0 || i.NumAckPending > 0 {
				return fmt.Sprintf("%s has %d pending and %d unacked", durable, i.NumPending, i.NumAckPending)
			}
		}
	}
	return ""
}

// spooled says which host's disk holds an answer that is not finished with.
func (c *cell) spooled() string {
	for i := range (workers + perHost - 1) / perHost {
		held, err := spool.Held(regrantworker.SpoolOf(config.Config{DataDir: c.host(i)}))
		if err != nil || len(held) > 0 {
			return fmt.Sprintf("%d answers in the spool of %s, %v", len(held), c.host(i), err)
		}
	}
	return ""
}
