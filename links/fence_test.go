package links_test

import (
	"testing"
	"time"
)

func TestALinkIsClosedToTheRulingsThatWereGivenUp(t *testing.T) {
	l := full().Refuse("flow", 2, now).Refuse("flow", 1, now)
	for ruling, want := range map[uint64]bool{1: true, 2: true, 3: false} {
		if l.Refuses("flow", ruling) != want {
			t.Errorf("ruling %d: refused is %v", ruling, !want)
		}
	}
	if !l.Refuses("other-flow", 1) || l.Refuses("flow-2", 1) {
		t.Error("a refusal is not its flow's alone")
	}
	if l = l.Refuse("flow", 3, now); len(l.Refusals) != 2 || !l.Refuses("flow", 1) {
		t.Errorf("one flow is refused by %+v", l.Refusals)
	}
	if l = l.Refuse("late", 1, now.Add(32*24*time.Hour)); len(l.Refusals) != 1 {
		t.Errorf("after a month there are %+v", l.Refusals)
	}
}
