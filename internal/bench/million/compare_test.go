package million

import (
	"testing"
	"time"
)

// Each link is reported once: a second report of its first bearer would be stale.
func TestLinksAreTakenOnce(t *testing.T) {
	for _, links := range []int{500, 1000, 1_000_000} {
		p, seen := population{links: links}, map[int]bool{}
		for i := range min(links, 5000) {
			n := p.number(i)
			if n < 0 || n >= links || seen[n] {
				t.Fatalf("of %d links, the %d-th to be taken is %d", links, i, n)
			}
			seen[n] = true
		}
	}
}

func TestTimes(t *testing.T) {
	var of []time.Duration
	for i := range 200 {
		of = append(of, time.Duration(200-i))
	}
	if got := times(of); got != (Times{P50: 101, P99: 199}) {
		t.Errorf("%+v", got)
	}
}
