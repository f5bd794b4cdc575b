package lifetime

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
)

// Usage is how an application works with one link.
type Usage struct {
	Name string
	// Every is the pause between two uses; zero: the link is never used.
	Every time.Duration
	// Services use it at the same moment, each with the bearer that it holds; 0 is 1.
	Services int
	// Deaf services learn of a new bearer by a 401 alone.
	Deaf bool
}

// The usages that most links have.
var (
	Unused = Usage{Name: "unused"}
	Hourly = Usage{Name: "hourly", Every: time.Hour}
	Daily  = Usage{Name: "daily", Every: Day}
	// Bursts: a batch job of many services, twice a day.
	Bursts = Usage{Name: "bursts", Every: 12 * time.Hour, Services: 20, Deaf: true}
	// Parts: two parts of one system that work with the same link at once.
	Parts = Usage{Name: "parts", Every: 6 * time.Hour, Services: 2}
)

// Share is so many links with one usage.
type Share struct {
	Links int
	Usage
}

// Population is many links at one provider, each of a user and a login of its own.
type Population struct {
	Provider string
	Members  []*Member

	world  *World
	began  time.Time
	stop   chan struct{}
	usages sync.WaitGroup
}

// Member is one of them.
type Member struct {
	events.Address
	Usage
	User     *User
	Login    string
	Services []*Service
	// Since is when the link was made.
	Since time.Time
}

// Populate makes the links, by consent, and lets them be used from now on.
func (w *World) Populate(provider string, shares ...Share) *Population {
	w.t.Helper()
	p := &Population{Provider: provider, world: w, began: time.Now(), stop: make(chan struct{})}
	for _, share := range shares {
		for range share.Links {
			p.add(share.Usage)
		}
	}
	synctest.Wait()
	random := rand.New(rand.NewPCG(1, uint64(len(p.Members))))
	for _, m := range p.Members {
		if m.Every > 0 {
			first := time.Duration(random.Int64N(int64(m.Every)))
			p.usages.Go(func() { p.use(m, first) })
		}
	}
	return p
}

func (p *Population) add(u Usage) {
	n := len(p.Members)
	m := &Member{Usage: u, User: p.world.User(fmt.Sprintf("%s-user-%d", p.Provider, n)), Login: fmt.Sprintf("login-%d", n), Since: time.Now()}
	back, a := m.User.Travel(Trip{Provider: p.Provider, As: m.Login})
	p.world.Report(back)
	m.Address = a
	if u.Every > 0 {
		for range max(1, u.Services) {
			s := p.world.Service(a)
			s.Deaf = u.Deaf
			m.Services = append(m.Services, s)
		}
	}
	p.Members = append(p.Members, m)
}

// use uses a link at its pace until the population ends.
func (p *Population) use(m *Member, first time.Duration) {
	tick := time.NewTimer(first)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		tick.Reset(m.Every)
		var all sync.WaitGroup
		for _, s := range m.Services {
			all.Go(func() { s.Call() })
		}
		all.Wait()
	}
}

// End ends the use of the links and waits for what is under way.
func (p *Population) End() {
	close(p.stop)
	p.usages.Wait()
	synctest.Wait()
}
