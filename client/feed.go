package client

import (
	"encoding/json"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
)

// feedPending bounds the live events that wait to be looked at. What does not fit is
// missed, and costs a refused request.
const feedPending = 8192

// feed hears what is announced about the links in use, by subscriptions that share
// one channel and one goroutine.
type feed struct {
	client *Client
	events chan *nats.Msg

	mu   sync.Mutex
	subs map[string]*nats.Subscription
}

func newFeed(c *Client) *feed {
	f := &feed{client: c, events: make(chan *nats.Msg, feedPending), subs: map[string]*nats.Subscription{}}
	if c.cfg.PerLink {
		c.table.dropped = f.leave
	}
	return f
}

// filter is the subject under which a link's events are listened to.
func (f *feed) filter(a events.Address) string {
	if !f.client.cfg.PerLink {
		a.Link = ""
	}
	return f.client.subjects.LiveFilter(a, "")
}

// want makes sure that a link's events are heard. A subscription that fails, or is
// not permitted, costs what a missed event costs.
func (f *feed) want(a events.Address) {
	subject := f.filter(a)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subs[subject] != nil {
		return
	}
	sub, err := f.client.bus.Conn().ChanSubscribe(subject, f.events)
	if err != nil {
		f.client.cfg.Log.Warn("live events not subscribed", "subject", subject, "error", err)
		return
	}
	f.subs[subject] = sub
}

// leave ends the subscription of a link that is not kept any more.
func (f *feed) leave(a events.Address) {
	subject := f.filter(a)
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub := f.subs[subject]; sub != nil {
		_ = sub.Unsubscribe() // fails only where the connection is gone
		delete(f.subs, subject)
	}
}

// run takes events until the client is closed. Where the connection was lost, every
// bearer is looked at again when it is next asked for.
func (f *feed) run() {
	conn := f.client.bus.Conn()
	back := conn.StatusChanged(nats.CONNECTED)
	defer conn.RemoveStatusListener(back)
	for {
		select {
		case m := <-f.events:
			f.see(m)
		case _, open := <-back:
			if !open {
				back = nil
				continue
			}
			for _, e := range f.client.table.all() {
				e.changed()
			}
		case <-f.client.ctx.Done():
			return
		}
	}
}

// see applies one event to the link that it is about, if that is in use.
func (f *feed) see(m *nats.Msg) {
	a, name, err := f.client.subjects.ParseLive(m.Subject)
	if err != nil {
		return
	}
	e := f.client.table.find(a)
	if e == nil {
		return
	}
	switch name {
	case events.NameTokenRotated:
		if generation, ok := events.GenerationOf(m.Header); ok {
			e.rotated(generation, previousStillValid(m.Data))
		}
	case events.NameLinkRevoked, events.NameLinkReplaced, events.NameLinkQuarantined:
		e.ended()
	default:
		e.changed()
	}
}

// previousStillValid reads that one field of a token-rotated. What cannot be read
// says no: the token is then asked for.
func previousStillValid(body []byte) bool {
	var rotated struct {
		Data struct {
			PreviousStillValid bool `json:"previous_still_valid"`
		} `json:"data"`
	}
	return json.Unmarshal(body, &rotated) == nil && rotated.Data.PreviousStillValid
}
