package lifetime

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// patience is how long a service waits for the next generation after its report.
const patience = time.Minute

// Served is a bearer as the token endpoint will serve it.
type Served struct {
	Bearer     string
	Generation uint64
	ExpiresAt  time.Time
}

var errNotServed = errors.New("no such generation is served")

// Token is what is served of a link, once its generation is at least min.
func (w *World) Token(a events.Address, min uint64, wait time.Duration) (Served, error) {
	over := time.After(wait)
	for {
		news := w.outputs.next(a) // first: nothing that is announced from now on is missed
		got, err := w.served(a)
		if err != nil || (got.Generation >= min && got.Bearer != "") {
			return got, err
		}
		select {
		case <-news:
		case <-over:
			return Served{}, errNotServed
		}
	}
}

// served is what the record says, remembered until the link's next event: that is
// how the workers who serve tokens will spare the store.
func (w *World) served(a events.Address) (Served, error) {
	number, _ := w.outputs.Last(context.Background(), a)
	if got, ok := w.bearers.get(a); ok {
		return got, nil
	}
	s, err := w.Links.Latest(context.Background(), a)
	if err != nil || !s.Link.Live() || s.Link.Generation == 0 {
		return Served{}, err
	}
	got, err := w.open(s.Link)
	if err == nil {
		w.bearers.put(a, got, func() bool { is, _ := w.outputs.Last(context.Background(), a); return is == number })
	}
	return got, err
}

func (w *World) open(l links.Link) (Served, error) {
	t, err := w.Tokens(l)
	bearer := t.Access
	if w.profiles[l.Provider].Bearer == providers.BearerID {
		bearer = t.ID
	}
	return Served{Bearer: bearer.Reveal(), Generation: l.Generation, ExpiresAt: l.ExpiresAt}, err
}

// Tokens opens a record.
func (w *World) Tokens(l links.Link) (links.Tokens, error) {
	clear, err := keys().Open(seal.Binding{
		Kind: "tokens", Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: l.Consent, Generation: l.Generation,
	}, l.Sealed)
	if err != nil {
		return links.Tokens{}, err
	}
	return links.ParseTokens(clear)
}

// Get calls the provider's resource with a bearer.
func (w *World) Get(provider, bearer string) (status int) {
	req, err := http.NewRequest(http.MethodGet, w.Sim.Endpoints(provider).ResourceURL, nil)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := w.web.Do(req)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Service is a part of an application that works with a link. It holds the bearer
// that it last got until it is refused or told that it is dead.
type Service struct {
	// Deaf services do not listen to token-rotated.
	Deaf bool

	world *World
	link  events.Address

	mu   sync.Mutex
	held Served
	// Figures.
	Calls   int // of the resource
	Refused int // 401s
	Failed  int // calls that no bearer helped
	// Expiries are the generations that were refused while they were the newest.
	Expiries map[uint64]time.Time
}

// Service makes a service that works with a link.
func (w *World) Service(a events.Address) *Service {
	s := &Service{world: w, link: a, Expiries: map[uint64]time.Time{}}
	old, _ := w.heard.Load(a)
	all, _ := old.([]*Service)
	w.heard.Store(a, append(all[:len(all):len(all)], s))
	return s
}

func (w *World) services(a events.Address, do func(*Service)) {
	all, _ := w.heard.Load(a)
	services, _ := all.([]*Service)
	for _, s := range services {
		do(s)
	}
}

// hear drops a bearer that is dead: subscribers need not wait for a 401.
func (s *Service) hear(t Told) {
	if s.Deaf || t.Body == nil {
		return
	}
	if Read[events.TokenRotated](s.world, t).PreviousStillValid {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = Served{}
}

// Held is the bearer that the service would use now.
func (s *Service) Held() Served {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// reports is how often one use may report: what is held can be many generations
// old, and the newest one have expired too.
const reports = 2

// Call uses the link once: with the bearer that is held, and after a 401 with the
// next one. It says whether the resource answered.
func (s *Service) Call() bool {
	held, err := s.bearer()
	for n := 0; err == nil; n++ {
		if s.get(held) {
			return true
		}
		if n == reports {
			break
		}
		s.report(held)
		held, err = s.fetch(held.Generation+1, patience)
	}
	return s.count(&s.Failed, false)
}

func (s *Service) count(figure *int, result bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	*figure++
	return result
}

func (s *Service) bearer() (Served, error) {
	if held := s.Held(); held.Bearer != "" {
		return held, nil
	}
	return s.fetch(1, patience)
}

func (s *Service) fetch(generation uint64, wait time.Duration) (Served, error) {
	got, err := s.world.Token(s.link, generation, wait)
	if err != nil {
		return got, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got.Generation >= s.held.Generation {
		s.held = got
	}
	return got, nil
}

func (s *Service) get(b Served) bool {
	s.count(&s.Calls, true)
	if s.world.Get(s.link.Provider, b.Bearer) == http.StatusOK {
		return true
	}
	return s.count(&s.Refused, false)
}

// report says that a bearer was refused, by its generation.
func (s *Service) report(b Served) {
	if s.world.newest(s.link) == b.Generation {
		s.mu.Lock()
		s.Expiries[b.Generation] = time.Now()
		s.mu.Unlock()
	}
	s.world.Report(events.TokenExpired{
		Address: s.link, Generation: b.Generation, Reason: events.ReasonUnauthorized, Status: http.StatusUnauthorized,
	})
}

func (w *World) newest(a events.Address) uint64 {
	got, err := w.served(a)
	if err != nil {
		w.t.Error(err)
	}
	return got.Generation
}
