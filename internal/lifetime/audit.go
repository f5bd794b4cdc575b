package lifetime

import (
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// Audit is what became of a population. Every presentation in the provider's ledger
// was required by an expiry, which a service met with the newest bearer, or by a
// clock of the profile; or it is surplus.
type Audit struct {
	Provider     string
	Links        int
	Calls        int // of the resource, by all services
	Unauthorized int // of them 401s
	Failed       int // uses that no bearer helped
	// Expiries are generations that were refused while they were the newest.
	Expiries int
	// Presentations of refresh tokens: for an expiry, for a clock, for neither.
	Presentations, ForExpiry, ForClock, Surplus int
	// Unanswered are expiries of links that live and that no presentation followed.
	Unanswered int
	// Refused are presentations that the provider did not take.
	Refused int
	Dead    []Death
}

// Death is a link that does not live any more.
type Death struct {
	events.Address
	Usage  string
	Status links.Status
	Reason string
	// Age since its consent.
	Age time.Duration
}

func (a Audit) String() string {
	return fmt.Sprintf("%s: %d links, %d calls with %d 401s, %d of newest bearers; %d presentations: %d for an expiry, %d for a clock, %d for neither; %d refused, %d unanswered, %d uses failed, %d links died",
		a.Provider, a.Links, a.Calls, a.Unauthorized, a.Expiries, a.Presentations, a.ForExpiry, a.ForClock, a.Surplus, a.Refused, a.Unanswered, a.Failed, len(a.Dead))
}

// Required is how many presentations expiries and clocks required.
func (a Audit) Required() int { return a.Expiries + a.ForClock }

// Audit holds the ledger against what was required. Call it after End.
func (p *Population) Audit() Audit {
	a := Audit{Provider: p.Provider, Links: len(p.Members)}
	seen := p.world.perLink(p.Provider)
	for _, m := range p.Members {
		expiries := a.count(m)
		l := p.world.Link(m.Address)
		if !l.Live() || l.Status == links.ConsentRequired {
			a.Dead = append(a.Dead, p.world.death(m, l))
		}
		answered := a.judge(seen[m.Address], expiries, p.world.profiles[p.Provider])
		if l.Status == links.Active {
			a.Unanswered += len(expiries) - answered
		}
	}
	return a
}

// count adds up what a member's services met, and returns the expiries.
func (a *Audit) count(m *Member) map[uint64]time.Time {
	expiries := map[uint64]time.Time{}
	for _, s := range m.Services {
		a.Calls, a.Unauthorized, a.Failed = a.Calls+s.Calls, a.Unauthorized+s.Refused, a.Failed+s.Failed
		for generation, at := range s.Expiries {
			if first, ok := expiries[generation]; !ok || at.Before(first) {
				expiries[generation] = at
			}
		}
	}
	a.Expiries += len(expiries)
	return expiries
}

// judge finds the reason of each of a link's presentations.
func (a *Audit) judge(seen []providertest.Presentation, expiries map[uint64]time.Time, p providers.Profile) (answered int) {
	open := map[int64]int{} // by the moment: no time passes between a report and its refresh
	for _, at := range expiries {
		open[at.UnixNano()]++
	}
	issued := time.Time{}
	for _, s := range seen {
		if s.Kind != providertest.KindRefresh {
			issued = s.At
			continue
		}
		a.Presentations++
		if s.Outcome != providertest.OK {
			a.Refused++
		}
		switch moment := s.At.UnixNano(); {
		case open[moment] > 0:
			open[moment]--
			answered++
			a.ForExpiry++
		case due(s.At, issued, p):
			a.ForClock++
		default:
			a.Surplus++
		}
		issued = s.At
	}
	return answered
}

// due says whether a clock of the profile asks for a refresh by then: jitter takes
// up to a tenth off its age.
func due(at, issued time.Time, p providers.Profile) bool {
	age := at.Sub(issued)
	keepAlive := p.KeepAlive
	if p.RefreshIdle > 0 {
		keepAlive = min(keepAlive, p.RefreshIdle*7/10)
	}
	renew := time.Duration((p.RenewAt - 0.1) * float64(p.AccessTTLDefault))
	return keepAlive > 0 && age >= keepAlive*9/10 || p.RenewAt > 0 && age >= renew
}

// perLink sorts the ledger of a provider by link, in order.
func (w *World) perLink(provider string) map[events.Address][]providertest.Presentation {
	of := map[events.Address][]providertest.Presentation{}
	for _, seen := range w.Ledger(providertest.Filter{Provider: provider}) {
		if a, ok := w.families.Load(seen.Family); ok {
			of[a.(events.Address)] = append(of[a.(events.Address)], seen)
		}
	}
	return of
}

func (w *World) death(m *Member, l links.Link) Death {
	d := Death{Address: m.Address, Usage: m.Name, Status: l.Status}
	if told := w.Told(m.Address, events.NameConsentRequired); len(told) > 0 {
		last := told[len(told)-1]
		d.Reason, d.Age = Read[events.ConsentRequired](w, last).Reason, last.At.Sub(m.Since)
	}
	return d
}
