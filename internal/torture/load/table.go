package load

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// table is what services and users know of the links.
type table struct {
	mu    sync.Mutex
	known map[events.Address]*entry
	order []events.Address // of known, for drawing one
	subs  map[events.Address]string
}

type entry struct {
	links.Link
	since    time.Time // of its status
	refused  time.Time // when it was last reported with a 401
	visiting time.Time // when its user last began to consent
}

func newTable() *table {
	return &table{known: map[events.Address]*entry{}, subs: map[events.Address]string{}}
}

// see takes a record as it was written; called by one goroutine.
func (t *table) see(s links.Stored) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.known[s.Link.Address]
	if !ok {
		e = &entry{since: time.Now()}
		t.known[s.Link.Address] = e
		t.order = append(t.order, s.Link.Address)
	}
	if e.Status != s.Link.Status {
		e.since = time.Now()
	}
	e.Link = s.Link
}

// login notes who logged in for a link.
func (t *table) login(a events.Address, sub string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs[a] = sub
}

func (t *table) sub(a events.Address) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.subs[a]
}

// draw picks a link that is as asked, and lets mark note that it was picked; false
// where few or none are.
func (t *table) draw(random *rand.Rand, are func(*entry) bool, mark func(*entry)) (links.Link, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range min(len(t.order), 40) {
		e := t.known[t.order[random.IntN(len(t.order))]]
		if are(e) {
			mark(e)
			return e.Link, true
		}
	}
	return links.Link{}, false
}

// all lists the links that are as asked, and lets mark note it.
func (t *table) all(are func(*entry) bool, mark func(*entry)) (found []links.Link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.order {
		if e := t.known[a]; are(e) {
			mark(e)
			found = append(found, e.Link)
		}
	}
	return found
}

// forget drops links that have ended, so that draws find the others.
func (t *table) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.order = slices.DeleteFunc(t.order, func(a events.Address) bool {
		ended := t.known[a].Status.Ended()
		if ended {
			delete(t.known, a)
		}
		return ended
	})
}

// live counts the links of a provider that have not ended.
func (t *table) live() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := map[string]int{}
	for a, e := range t.known {
		if !e.Status.Ended() {
			n[a.Provider]++
		}
	}
	return n
}
