package cluster_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
)

// TestReplicasAreAddedUnderWork: a cell with one replica is provisioned with three
// while its workers refresh. Nothing is refreshed twice, or lost.
func TestReplicasAreAddedUnderWork(t *testing.T) {
	needsClusters(t)
	c := newCell(t, budget.Default/5, 1)
	c.add(100)
	c.staff()
	r := c.reporters()
	reported := r.run(c.links, 30*time.Millisecond)
	c.Config.NATS.Replicas = 3
	c.must(worker.Check(c.Config))
	began := time.Now()
	report, err := c.Bus.Provision(c.ctx, worker.Plan(c.Config))
	c.must(err)
	if n := len(report.Updated); n != len(c.streams()) {
		t.Errorf("%d streams were updated, want %d", n, len(c.streams()))
	}
	t.Logf("provisioned in %s", time.Since(began).Round(time.Millisecond))
	c.whole(3)
	t.Logf("three replicas of all, and in step, after %s", time.Since(began).Round(time.Millisecond))
	reported()
	c.rest(c.links, 2)
	c.acked()
	c.presentedOnce()
	c.announcedOnce()
	c.figures(r.first, []time.Time{began}, map[string][]fleet.Link{"during": c.links})
	c.must(c.Bus.Verify(c.ctx, worker.Plan(c.Config)))
	testenv.Eventually(t, patience, "a second provisioning has nothing to do", func() bool {
		again, err := c.Bus.Provision(c.ctx, worker.Plan(c.Config))
		return err == nil && len(again.Updated)+len(again.Created) == 0
	})
	c.retire()
}
