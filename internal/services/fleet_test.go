package services_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// crowd is a fleet of services and how long it works.
type crowd struct {
	processes, links int
	life, pause      time.Duration // of a bearer; between two requests of a goroutine
	works            time.Duration
}

func fleetSize() crowd {
	if full() {
		return crowd{processes: 20, links: 50, life: 4 * time.Second, pause: 250 * time.Millisecond, works: 2 * time.Minute}
	}
	return crowd{processes: 6, links: 12, life: 4 * time.Second, pause: 100 * time.Millisecond, works: 12 * time.Second}
}

// TestAFleetWhoseTokensExpire: whatever ends while many services call an API for the
// same links, every request is answered 200, is sent twice at most, and each bearer
// that ended costs one presentation.
//
// Half the services have a clock that is an hour slow: they learn of an end by a 401.
// Half the links are known to no other services, so that nobody spares them it.
func TestAFleetWhoseTokensExpire(t *testing.T) {
	size := fleetSize()
	cell, made := newCell(t, testenv.NATS(t), size.life, size.links)
	var fleet []*testenv.Process
	for i := range size.processes {
		o := callerOrders{
			NATS: cell.Config.NATS.URL, API: cell.Sim.Endpoints("op").ResourceURL, Links: map[string]string{},
			Margin: -1, Goroutines: 8, Pause: size.pause,
		}
		mine := made
		if i%2 == 0 {
			o.Slow = time.Hour
		} else {
			mine = made[:len(made)/2]
		}
		for _, l := range mine {
			o.Links[l.Link] = l.Sub
		}
		fleet = append(fleet, spawn(t, "caller", o))
	}
	<-time.After(size.works)
	var total callerResult
	for _, p := range fleet {
		var one callerResult
		retire(t, p, &one)
		total.add(one)
	}
	wantAllServed(t, total)
	n := onePresentationPerEnd(t, cell, made)
	t.Logf("%d processes, %d requests, %d of them sent twice; %d presentations of %d links; added p50 %v, p99 %v",
		size.processes, total.Requests, total.Retried, n, len(made), total.P50, total.P99)
}

func (r *callerResult) add(one callerResult) {
	r.Requests += one.Requests
	r.Retried += one.Retried
	r.Failed += one.Failed
	r.Failures = append(r.Failures, one.Failures...)
	r.MostSent = max(r.MostSent, one.MostSent)
	r.P50, r.P99 = max(r.P50, one.P50), max(r.P99, one.P99) // of the worst process
}

func wantAllServed(t *testing.T, r callerResult) {
	t.Helper()
	if r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %q", r.Failed, r.Requests, r.Failures)
	}
	if r.MostSent != 2 {
		t.Errorf("a request was sent %d times, want twice where its bearer had ended", r.MostSent)
	}
	if full() && r.P50 > 50*time.Microsecond {
		t.Errorf("the transport adds %v, want less than 50 µs", r.P50)
	}
}

// onePresentationPerEnd compares the ledger with the bearers' ends: each credential
// was shown once, and not before the bearer beside it had ended.
func onePresentationPerEnd(t *testing.T, cell *fleet.Cell, made []fleet.Link) int {
	t.Helper()
	generations := settled(t, cell, made)
	end, rotated := ended(t, cell, made)
	ledger, err := cell.Sim.Ledger()
	must(t, err)
	all := ledger.Presentations(providertest.Filter{})
	for _, p := range all {
		at, known := end[token{p.Family, p.Serial}]
		if p.Outcome != providertest.OK || !known || p.At.Before(at) {
			t.Errorf("presentation %d: %s, token %d of %s at %v, whose bearer ended at %v", p.N, p.Outcome, p.Serial, p.Family, p.At, at)
		}
	}
	if key, n := ledger.MaxPerToken(); n != 1 {
		t.Errorf("token %d of %s was presented %d times", key.Serial, key.Family, n)
	}
	if len(all) != generations || len(all) != rotated {
		t.Errorf("%d presentations, %d generations were made and %d announced", len(all), generations, rotated)
	}
	return len(all)
}

// settled waits until nothing is under way, and counts the generations beyond the first.
func settled(t *testing.T, cell *fleet.Cell, made []fleet.Link) (n int) {
	t.Helper()
	for _, l := range made {
		testenv.Eventually(t, patience, "link "+l.Link+" is active, and all of it announced", func() bool {
			is, err := cell.Link(t.Context(), l.Address)
			if err != nil || is.Status != links.Active {
				return false
			}
			last, err := cell.Bus.LastOutput(t.Context(), l.Address)
			return err == nil && last == is.EventNumber
		})
		is, err := cell.Link(t.Context(), l.Address)
		must(t, err)
		if is.Generation < 2 {
			t.Errorf("link %s was never refreshed", l.Link)
		}
		n += int(is.Generation) - 1
	}
	return n
}

// token names a refresh token of the simulator: that of a generation.
type token struct {
	family string
	serial int
}

// ended reads from the stored events when each bearer ended, and counts rotations.
// Anything else that was announced of the links is a fault.
func ended(t *testing.T, cell *fleet.Cell, made []fleet.Link) (end map[token]time.Time, rotated int) {
	t.Helper()
	end, family := map[token]time.Time{}, map[string]string{}
	for _, l := range made {
		family[l.Link] = l.Family
		end[token{l.Family, 1}] = l.ExpiresAt.Truncate(time.Second) // as events carry it
	}
	err := cell.Bus.Watch(t.Context(), bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		e, err := events.Decode(m.Header, m.Data)
		if err != nil {
			return err
		}
		if e.Type() != events.NameTokenRotated.Type() {
			if e.Type() != events.NameLinkCreated.Type() {
				t.Errorf("%s of link %s was announced", e.Type(), e.Subject())
			}
			return nil
		}
		d, err := events.As[events.TokenRotated](e)
		if err != nil {
			return err
		}
		end[token{family[d.Link], int(d.Generation)}] = *d.ExpiresAt
		rotated++
		return nil
	})
	must(t, err)
	return end, rotated
}
