package services_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/spool"
)

// TestAWorkerLivesByItsBlockAlone: what a worker does less often than it refreshes,
// under the permissions of docs/nats.conf. That it is refused nothing, its
// log tells.
func TestAWorkerLivesByItsBlockAlone(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	config, err := g.WriteConfig()
	must(t, err)

	g.consents(t, config, "A") // for a link that is there
	g.await(t, "A", "consented to again", func(l links.Link) bool { return l.Consent == 2 && l.Status == links.Active })

	b := g.links["B"]
	g.Sim.Script("op", providertest.Fault{When: providertest.Before, Kind: providertest.Status429, RetryAfter: "1", Family: b.Family})
	g.reports(t, "B", 1)
	g.await(t, "B", "refreshed when its timer came", func(l links.Link) bool { return l.Generation == 2 })

	ends(t, g.worker.Stop)
	g.adopts(t, config)
}

// adopts has a worker die with an answer on its disk, and the next one finish it.
func (g *guarded) adopts(t *testing.T, config string) {
	t.Helper()
	run := testenv.Command{Path: testenv.Build(t, "./cmd/worker", "failpoint"), Args: []string{"run", "--config", config}}
	dies := run
	dies.Env = []string{"REGRANT_FAILPOINT=spool:after"}
	dead := testenv.Start(t, dies)
	g.reports(t, "B", 2)
	<-dead.Exited()
	left, err := spool.Held(worker.SpoolOf(g.Config))
	must(t, err)
	if len(left) != 1 {
		t.Fatalf("%d answers are in the spool of the worker that died", len(left))
	}
	next := testenv.Start(t, run)
	g.await(t, "B", "finished by the next worker", func(l links.Link) bool { return l.Generation == 3 && l.Status == links.Active })
	testenv.Eventually(t, patience, "nothing is left in the spool", func() bool {
		left, err := spool.Held(worker.SpoolOf(g.Config))
		return err == nil && len(left) == 0
	})
	next.Signal(syscall.SIGTERM)
	must(t, next.Wait())
	for _, p := range []*testenv.Process{dead, next} {
		if strings.Contains(strings.ToLower(p.Output()), "permissions violation") {
			t.Errorf("the server refused what is needed: %s", p.Output())
		}
	}
	ledger, err := g.Sim.Ledger()
	must(t, err)
	if _, n := ledger.MaxPerToken(); n > 2 { // the 429 was one of two
		t.Errorf("a token was presented %d times", n)
	}
}

func (g *guarded) reports(t *testing.T, link string, generation uint64) {
	t.Helper()
	m, err := g.Report(events.TokenExpired{Address: g.links[link].Address, Generation: generation, Reason: events.ReasonUnauthorized})
	must(t, err)
	must(t, g.Bus.PublishInput(t.Context(), m))
}

func (g *guarded) await(t *testing.T, link, what string, is func(links.Link) bool) {
	t.Helper()
	testenv.Eventually(t, patience, link+" is "+what, func() bool {
		l, err := g.Link(t.Context(), g.links[link].Address)
		return err == nil && is(l)
	})
}
