package crash_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
)

// witness sees the records of a cell as they are written.
type witness struct {
	mu      sync.Mutex
	last    map[events.Address]links.Link
	faults  []string // G3 broken, or the exchange's promise
	changed chan struct{}
}

func watch(ctx context.Context, t *testing.T, store *kvstore.Store) *witness {
	t.Helper()
	w := &witness{last: map[events.Address]links.Link{}, changed: make(chan struct{})}
	if err := store.Watch(ctx, events.Address{}, func(s links.Stored) { w.see(s.Link) }); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *witness) see(l links.Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.last[l.Address]
	if l.Generation < was.Generation || l.Consent < was.Consent || l.EventNumber < was.EventNumber || l.DueNumber < was.DueNumber {
		w.faults = append(w.faults, fmt.Sprintf("%s went back from generation %d, consent %d, event %d, due %d to %d, %d, %d, %d", l.Address,
			was.Generation, was.Consent, was.EventNumber, was.DueNumber, l.Generation, l.Consent, l.EventNumber, l.DueNumber))
	}
	if was.Exchange != nil && l.Exchange != nil && was.Status == links.Active && l.Generation == was.Generation && l.Status != links.Active {
		w.faults = append(w.faults, fmt.Sprintf("%s became %s while a code was being exchanged for it", l.Address, l.Status))
	}
	if l.Generation == was.Generation && was.Fingerprint != "" && l.Fingerprint != was.Fingerprint {
		w.faults = append(w.faults, fmt.Sprintf("generation %d of %s changed its token", l.Generation, l.Address))
	}
	w.last[l.Address] = l
	close(w.changed)
	w.changed = make(chan struct{})
}

// changes returns a channel that is closed at the next write.
func (w *witness) changes() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// unsettled names a link that is on its way to another state, or is "".
func (w *witness) unsettled() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, l := range w.last {
		if !settled(l) {
			return fmt.Sprintf("link %s is %s, due %s to %s, exchanging %t", a, l.Status, l.Due, l.DueFor, l.Exchange != nil)
		}
	}
	return ""
}

// count is how many links are as asked.
func (w *witness) count(are func(links.Link) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.last {
		if are(l) {
			n++
		}
	}
	return n
}

// wrongs lists what was seen to fall that may only rise, and what was done to a
// link that nothing may be done to.
func (w *witness) wrongs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}
