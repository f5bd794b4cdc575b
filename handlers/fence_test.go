package handlers_test

import "testing"

// A flow that was ended as overtaken stays ended: a worker that was stopped between
// its claim and its link finds the link closed to it. It might die before it looks
// at the index again, and nobody else would.
func TestAnOvertakenFlowStaysOvertaken(t *testing.T) {
	inCell(t, func(c *cell) {
		p, v, w, x := c.pair(), c.worker("v"), c.worker("w"), c.worker("x")
		first := v.take(p.first.input).until("flow_target:before")
		w.take(p.next.input).end()
		x.take(p.first.input).end()
		first.end()
		if names := c.out.names(p.first.addr); len(names) != 1 {
			t.Errorf("after its flow had failed, the link was told %q", names)
		}
		if c.record(p.first.addr).Live() {
			t.Error("two links live for one login")
		}
		c.rest(w, x)
		c.wantOwner(p.who, p.next.addr)
	})
}
