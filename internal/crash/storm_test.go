package crash_test

import (
	"context"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
)

// storm describes many reports of the same few expiries.
type storm struct {
	reporters int
	// each is how often a reporter reports each link.
	each int
	// distinct gives every message an id of its own. As reporters publish them, the
	// broker itself drops most of a storm: that must help, and not be needed.
	distinct bool
}

// rage publishes the storm, each reporter over its own connection. When it
// returns the reporters are gone. Every second one knows the generation, the
// others nothing but the bearer.
func (c *cell) rage(s storm) {
	c.t.Helper()
	var all sync.WaitGroup
	for r := range s.reporters {
		all.Go(func() {
			if err := c.reporter(s, r%2 == 0); err != nil {
				c.t.Errorf("reporter %d: %v", r, err)
			}
		})
	}
	all.Wait()
}

func (c *cell) reporter(s storm, knows bool) error {
	b, err := c.Connect(c.ctx, "reporter")
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.Background()) }()
	for range s.each {
		for _, l := range c.links {
			m, err := c.message(l, knows)
			if err != nil {
				return err
			}
			if s.distinct {
				delete(m.Header, events.HeaderMsgID)
			}
			if err := b.PublishInput(c.ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cell) message(l fleet.Link, knows bool) (events.Message, error) {
	if knows {
		return c.Report(byGeneration(l))
	}
	return c.Report(byFingerprint(l))
}

// await waits for a condition about what the witness saw.
func (c *cell) await(what string, done func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		changed := c.witness.changes()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			c.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
