package handlers

import (
	"context"
	"errors"
	"sync"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// want names what is to be read: a link, and whether from whoever decides writes.
type want struct {
	addr   events.Address
	latest bool
}

// found is a link as it was read, for all who share the reading.
type found struct {
	links.Stored
	tokens func() (links.Tokens, error) // opened once
}

// readings lets those who want a link at the same moment share one reading of it:
// whoever a rotation wakes comes with all others that waited for it. Nobody is
// given a reading that had begun before they asked, which may lack what woke them.
type readings struct {
	mu sync.Mutex
	// next have not begun and can be joined; under are the last of those that have.
	next, under map[want]*reading
}

type reading struct {
	done  chan struct{}
	found *found
	err   error
}

func newReadings() *readings {
	return &readings{next: map[want]*reading{}, under: map[want]*reading{}}
}

// errCutShort is what those get whose reading met a defect.
var errCutShort = errors.New("the reading was cut short")

// share joins the next reading, or is the one to make it, after the one under way.
// aside is how it waits for others.
func (s *readings) share(w want, aside func(wait func()), read func(want) (*found, error)) (*found, error) {
	r, before, ours := s.join(w)
	if !ours {
		aside(func() { <-r.done })
		return r.found, r.err
	}
	if before != nil {
		aside(func() { <-before.done })
	}
	s.begin(w, r)
	defer s.end(w, r)
	r.err = errCutShort
	r.found, r.err = read(w)
	return r.found, r.err
}

func (s *readings) join(w want) (r, before *reading, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.next[w]; ok {
		return r, nil, false
	}
	r = &reading{done: make(chan struct{})}
	s.next[w] = r
	return r, s.under[w], true
}

// begin closes a reading to those who come from now on.
func (s *readings) begin(w want, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.next, w)
	s.under[w] = r
}

func (s *readings) end(w want, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under[w] == r {
		delete(s.under, w)
	}
	close(r.done)
}

// readFor reads for all who share it: it does not end with the request of the one
// that makes it.
func (h *Handlers) readFor(ctx context.Context, w want) (*found, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Budget.AckWait)
	defer cancel()
	get := h.Store.Get
	if w.latest {
		get = h.Store.Latest
	}
	s, err := get(ctx, w.addr)
	if err != nil {
		return nil, err
	}
	return &found{s, sync.OnceValues(func() (links.Tokens, error) { return h.openTokens(s.Link) })}, nil
}
