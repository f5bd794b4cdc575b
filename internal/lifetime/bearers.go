package lifetime

import (
	"sync"

	"github.com/regrant/regrant/events"
)

// bearers remembers what is served until something is said of its link.
type bearers struct {
	mu sync.Mutex
	of map[events.Address]Served
}

func newBearers() *bearers { return &bearers{of: map[events.Address]Served{}} }

func (b *bearers) get(a events.Address) (Served, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	got, ok := b.of[a]
	return got, ok
}

// put remembers what was read, if nothing was said since.
func (b *bearers) put(a events.Address, s Served, still func() bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if still() {
		b.of[a] = s
	}
}

func (b *bearers) drop(a events.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.of, a)
}
