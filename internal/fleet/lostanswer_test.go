package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// The ways in which an answer is lost after the provider has consumed the token.
var waysToLose = []providertest.Kind{
	providertest.Hang, providertest.Reset, providertest.CloseNoReply,
	providertest.Truncate, providertest.Status500, providertest.Garbage,
}

// tolerant are providers that take a repetition, each by another rule.
func tolerant(t *testing.T) map[string]fleet.Provider {
	made := map[string]fleet.Provider{}
	for name, p := range map[string]struct {
		replay    providers.Replay
		behaviour providertest.Behaviour
	}{
		"grace":     {providers.Replay{Kind: providers.ReplayGrace, Window: time.Minute}, providertest.Behaviour{Grace: time.Minute}},
		"successor": {providers.Replay{Kind: providers.ReplayUntilSuccessorUsed, Window: time.Hour}, providertest.Behaviour{UntilSuccessorUsed: true}},
		"safe":      {providers.Replay{Kind: providers.ReplaySafe}, providertest.Behaviour{Rotation: providertest.ReusableUntilExpiry}},
	} {
		provider := hostile(t)
		provider.Profile.Replay, provider.Behaviour = p.replay, p.behaviour
		made[name] = provider
	}
	return made
}

// lost is one link whose answer is lost in one way under one rule.
type lost struct {
	fleet.Link
	way providertest.Kind
}

func (l lost) String() string { return l.Address.Provider + ", " + l.way.String() }

// What may be repeated recovers without its user in two presentations, under
// every rule that tolerates one.
func TestAnswersLostWhereTheTokenMayBePresentedAgain(t *testing.T) {
	t.Parallel()
	configured := tolerant(t)
	cell := running(t, 2*time.Second, configured) // its deadline is longer than any machine is slow
	var made []lost
	for name := range configured {
		made = append(made, loseAnswers(t, cell, name, events.ReasonUnauthorized)...)
	}
	for _, l := range made {
		awaitStatus(t, cell, l, links.Active, 2)
		if n := presented(t, cell, l); n != 2 {
			t.Errorf("%v: recovered after %d presentations, want 2", l, n)
		}
	}
	if n := cell.Sim.Revoked(); n != 0 {
		t.Errorf("%d families were revoked", n)
	}
}

// What may not be repeated is presented once. Its old bearer is served while it
// may live; once that is refused the user is asked, once, with the reason.
func TestAnswersLostWhereTheTokenMayNotBePresentedAgain(t *testing.T) {
	t.Parallel()
	forbidden := hostile(t)
	forbidden.Profile.RenewMargin = 2 * forbidden.Behaviour.AccessTTL // a report that says expiring is due at once
	cell := running(t, 200*time.Millisecond, map[string]fleet.Provider{"forbidden": forbidden})
	made := loseAnswers(t, cell, "forbidden", events.ReasonExpiring) // nobody was refused yet
	for _, l := range made {
		awaitStatus(t, cell, l, links.Uncertain, 1)
		if got, err := cell.Link(t.Context(), l.Address); err != nil || !got.BearerAlive(l.ExpiresAt.Add(-time.Second)) {
			t.Errorf("%v: the old bearer is not served any more (%v)", l, err)
		}
		publish(t, cell, l.Link, events.ReasonUnauthorized) // now it is dead
	}
	for _, l := range made {
		awaitStatus(t, cell, l, links.ConsentRequired, 1)
		if n := presented(t, cell, l); n != 1 {
			t.Errorf("%v: presented %d times", l, n)
		}
	}
	wantReasons(t, cell, len(made))
	if n := cell.Sim.Revoked(); n != 0 {
		t.Errorf("%d families were revoked", n)
	}
}

// running is a cell with two workers.
func running(t *testing.T, lockTTL time.Duration, configured map[string]fleet.Provider) *fleet.Cell {
	t.Helper()
	cell, err := fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: lockTTL,
		Providers: configured, Log: testenv.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cell.Close(context.Background()) })
	for _, id := range []string{"a", "b"} {
		w, err := cell.Start(t.Context(), id, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Stop(context.Background()) })
	}
	return cell
}

// loseAnswers imports a link for each way, and reports its bearer.
func loseAnswers(t *testing.T, cell *fleet.Cell, provider string, reason events.Reason) (out []lost) {
	made, err := cell.Import(t.Context(), provider, len(waysToLose))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range made {
		cell.Sim.Script(provider, providertest.Fault{When: providertest.After, Kind: waysToLose[i], Family: l.Family})
		out = append(out, lost{l, waysToLose[i]})
		publish(t, cell, l, reason)
	}
	return out
}

func publish(t *testing.T, cell *fleet.Cell, l fleet.Link, reason events.Reason) {
	m, err := cell.Report(events.TokenExpired{Address: l.Address, Generation: 1, Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	if err := cell.Bus.PublishInput(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func awaitStatus(t *testing.T, cell *fleet.Cell, l lost, status links.Status, generation uint64) {
	t.Helper()
	testenv.Eventually(t, time.Minute, fmt.Sprintf("%v: %s at generation %d", l, status, generation), func() bool {
		got, err := cell.Link(t.Context(), l.Address)
		return err == nil && got.Status == status && got.Generation == generation
	})
}

func presented(t *testing.T, cell *fleet.Cell, l lost) int {
	ledger, err := cell.Sim.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	return len(ledger.Presentations(providertest.Filter{Family: l.Family, Serial: 1}))
}

// wantReasons reads the prompts of all links: one each, and why.
func wantReasons(t *testing.T, cell *fleet.Cell, n int) {
	t.Helper()
	seen := map[string]int{}
	spec := bus.WatchSpec{
		Since: time.Now().Add(-time.Hour), Count: n,
		Subject: events.Subjects{}.OutFilter(events.Address{}, events.NameConsentRequired),
	}
	err := cell.Bus.Watch(t.Context(), spec, func(m *inbox.Message) error {
		var e struct{ Data events.ConsentRequired }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return err
		}
		seen[e.Data.Address.Link]++
		if e.Data.Reason != links.ReasonOutcomeUnknown {
			t.Errorf("link %s: reason %q", e.Data.Address.Link, e.Data.Reason)
		}
		return nil
	})
	if err != nil || len(seen) != n {
		t.Errorf("%d links asked for consent, want %d (%v)", len(seen), n, err)
	}
}
