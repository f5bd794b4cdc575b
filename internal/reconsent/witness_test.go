package reconsent_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
)

// witness sees every revision of every record.
type witness struct {
	mu     sync.Mutex
	last   map[events.Address]links.Link
	faults []string
}

func watch(ctx context.Context, t *testing.T, store *kvstore.Store) *witness {
	t.Helper()
	w := &witness{last: map[events.Address]links.Link{}}
	if err := store.Watch(ctx, events.Address{}, func(s links.Stored) { w.see(s.Link) }); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *witness) see(l links.Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.last[l.Address]
	w.last[l.Address] = l
	if fault := wentBack(was, l); fault != "" {
		w.faults = append(w.faults, fmt.Sprintf("%s: %s", l.Address, fault))
	}
}

// wentBack says what fell that may only rise, or changed that may not.
func wentBack(was, is links.Link) string {
	switch {
	case is.Generation < was.Generation || is.Consent < was.Consent || is.Consented < was.Consented:
		return fmt.Sprintf("from %d.%d of %d consents to %d.%d of %d", was.Generation, was.Consent, was.Consented, is.Generation, is.Consent, is.Consented)
	case is.ConsentOrder.Before(was.ConsentOrder):
		return fmt.Sprintf("a consent of %v gave way to one of %v", was.ConsentOrder, is.ConsentOrder)
	case is.Generation == was.Generation && is.Fingerprint != was.Fingerprint && was.Fingerprint != "":
		return fmt.Sprintf("generation %d changed its token", is.Generation)
	case is.Consent == was.Consent && is.Subject != was.Subject && was.Subject != "":
		return fmt.Sprintf("consent %d changed its login", is.Consent)
	default:
		return ""
	}
}

// all are the links, in the order in which they were made.
func (w *witness) all() []links.Link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Values(w.last), func(a, b links.Link) int { return cmp.Compare(a.Link, b.Link) })
}

// soon is longer than any time of the protocol in these tests, and shorter than any
// term.
const soon = time.Minute

// unsettled names a link that is on its way to another state, or is "".
func (w *witness) unsettled(now time.Time) string {
	for _, l := range w.all() {
		at := l.Alarm()
		if l.Exchange != nil || l.Status == links.Refreshing || (!at.IsZero() && at.Before(now.Add(soon))) {
			return fmt.Sprintf("%s is %s, exchange %v, alarm %v", l.Address, l.Status, l.Exchange, at)
		}
	}
	return ""
}
