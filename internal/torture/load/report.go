package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

const (
	// reporters publish at the same time.
	reporters = 24
	// storm is how many reports one expiry brings at most.
	storm = 8
	// patient is how long a link is left alone after a report with a 401: a fresh bearer
	// that is refused three times within sixty lock TTLs stops refreshing, as it should.
	patient = 45 * time.Second
)

// report keeps to the rate: each link that is drawn brings the reports of several
// services about one and the same bearer.
func (l *Load) report(ctx context.Context) {
	work := make(chan func())
	var all sync.WaitGroup
	defer all.Wait()
	defer close(work)
	for range reporters {
		all.Go(func() {
			for do := range work {
				do()
			}
		})
	}
	random, sent := l.random(1), 0
	every(ctx, 10*time.Millisecond, func() {
		for float64(sent) < time.Since(l.begin).Seconds()*l.Rate && ctx.Err() == nil {
			sent += l.expire(ctx, random, work)
		}
	})
}

// expire reports one link's bearer, from several services, and says how often.
func (l *Load) expire(ctx context.Context, random *rand.Rand, work chan<- func()) int {
	now := time.Now()
	reason := events.ReasonExpiring
	link, ok := l.table.draw(random, func(e *entry) bool {
		return e.Status == links.Active || e.Status == links.Uncertain || e.Status == links.Refreshing
	}, func(e *entry) {
		if now.Sub(e.refused) > patient {
			e.refused, reason = now, events.ReasonUnauthorized
		}
	})
	n := 1 + random.IntN(storm)
	if !ok {
		return n // it will be made up for
	}
	for range n {
		d := l.said(random, link, reason)
		lone := random.IntN(2) == 0
		send := func() {
			l.send(ctx, d, func(m *events.Message) {
				if lone { // of a library that does not know our message ids
					delete(m.Header, events.HeaderMsgID)
				}
			})
		}
		select {
		case work <- send:
		case <-ctx.Done():
			return n
		}
	}
	return n
}

// said is what one service says: most name the generation, some the bearer, and a few
// say it late, of the one before.
func (l *Load) said(random *rand.Rand, link links.Link, reason events.Reason) events.TokenExpired {
	d := events.TokenExpired{Address: link.Address, Reason: reason, Generation: link.Generation}
	if reason == events.ReasonUnauthorized {
		d.Status, d.Error = 401, "invalid_token"
	}
	switch {
	case random.IntN(20) == 0 && link.Generation > 1:
		d.Generation--
	case random.IntN(4) == 0 && link.Fingerprint != "" && !l.ReportsOnly:
		d.Generation, d.Fingerprint = 0, link.Fingerprint
	}
	return d
}
