package apps_test

import (
	"errors"
	"testing"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/events"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	link  = events.Address{Tenant: "default", Provider: "op", Link: "L1"}
	other = events.Address{Tenant: "default", Provider: "op", Link: "L2"}
)

func TestASuspensionIsOne(t *testing.T) {
	a, first := apps.New("op").Suspend("invalid_client", link, start, normal.Probe)
	if !first || !a.Suspended() || a.Episode != 1 || a.Announced {
		t.Fatalf("suspended: %v, %+v", first, a)
	}
	again, second := a.Suspend("unauthorized_client", other, start.Add(time.Hour), normal.Probe)
	if second || again != a {
		t.Errorf("suspended again: %+v", again)
	}
	a, told := a.Announce(1, apps.Suspended)
	if !told {
		t.Error("not announced")
	}
	resumed, ok := a.Resume(1, other, start.Add(time.Hour))
	if !ok || resumed.Suspended() || resumed.Announced || !resumed.Since.Equal(start) {
		t.Errorf("resumed: %v, %+v", ok, resumed)
	}
	if _, again := resumed.Resume(1, other, start); again {
		t.Error("resumed twice")
	}
	if next, _ := resumed.Suspend("invalid_client", link, start.Add(2*time.Hour), normal.Probe); next.Episode != 2 {
		t.Errorf("the next suspension is episode %d", next.Episode)
	}
}

func TestOnlyItsOwnEpisodeEndsASuspension(t *testing.T) {
	a, _ := apps.New("op").Suspend("invalid_client", link, start, normal.Probe)
	if _, ok := a.Resume(0, link, start); ok {
		t.Error("an attempt from before the suspension ended it")
	}
	if _, told := a.Announce(1, apps.OK); told {
		t.Error("a resumption that did not happen was announced")
	}
}

func TestProbesAreDueOnceAnInterval(t *testing.T) {
	a, _ := apps.New("op").Suspend("invalid_client", link, start, normal.Probe)
	a, ok := a.Probe("worker-1", start, normal.Probe)
	if !ok || a.Probes != 1 || a.ProbeHolder != "worker-1" {
		t.Fatalf("%v, %+v", ok, a)
	}
	if _, ok := apps.New("op").Probe("worker-1", start, normal.Probe); ok {
		t.Error("an app that works was probed")
	}
	live := func(at time.Time) apps.Sight { return apps.Sight{At: at, Live: true} }
	for name, c := range map[string]struct {
		sight apps.Sight
		now   time.Time
		want  time.Duration
	}{
		"seen now":                             {live(start), start, normal.Probe},
		"an interval later":                    {live(start), start.Add(normal.Probe), 0},
		"seen by a clock a day behind":         {live(start.AddDate(0, 0, -1)), start.AddDate(0, 0, -1).Add(time.Second), normal.Probe - time.Second},
		"seen by a clock a day ahead":          {live(start.AddDate(0, 0, 1)), start.AddDate(0, 0, 1), normal.Probe},
		"found at a restart, in time":          {apps.Sight{At: start.Add(time.Second)}, start.Add(time.Second), normal.Probe - time.Second},
		"found at a restart, long after":       {apps.Sight{At: start.AddDate(0, 0, 1)}, start.AddDate(0, 0, 1), 0},
		"found; the holder's clock was ahead":  {apps.Sight{At: start.AddDate(0, 0, -1)}, start.AddDate(0, 0, -1), normal.Probe},
		"the same, an interval after the find": {apps.Sight{At: start.AddDate(0, 0, -1)}, start.AddDate(0, 0, -1).Add(normal.Probe), 0},
	} {
		if got := a.Due(c.sight, c.now, normal.Probe); got != c.want {
			t.Errorf("%s: due in %v, want %v", name, got, c.want)
		}
	}
}

func TestAHoldIsOneAlarmAndGoesOn(t *testing.T) {
	a := apps.New("op")
	if a.HoldsFor(apps.Sight{Live: true, At: start}, start) != 0 {
		t.Fatal("held from the beginning")
	}
	a, first, changed := a.Hold(apps.Sight{}, start)
	seen := apps.Sight{At: start, Live: true}
	if !first || !changed || a.Holds != 1 || a.HoldsFor(seen, start) != apps.HoldFor {
		t.Fatalf("%v, %v, %+v", first, changed, a)
	}
	if _, first, changed := a.Hold(seen, start.Add(time.Minute)); first || changed {
		t.Error("a fresh hold was written again")
	}
	a, first, changed = a.Hold(seen, start.Add(3*time.Minute))
	if first || !changed || a.Holds != 1 {
		t.Errorf("going on: first %v, changed %v, %d holds", first, changed, a.Holds)
	}
	seen.At = start.Add(3 * time.Minute)
	if a.HoldsFor(seen, start.Add(3*time.Minute+apps.HoldFor)) != 0 {
		t.Error("held for ever")
	}
	if _, first, _ := a.Hold(seen, start.Add(time.Hour)); !first {
		t.Error("another spike is another alarm")
	}
}

func TestSpiking(t *testing.T) {
	for _, c := range []struct {
		dead, all int
		want      bool
	}{
		{0, 0, false}, {19, 19, false}, {20, 20, true}, {20, 100, true}, {20, 101, false}, {21, 105, true}, {1000, 10_000, false},
	} {
		if got := apps.Spiking(c.dead, c.all); got != c.want {
			t.Errorf("%d dead of %d: %v", c.dead, c.all, got)
		}
	}
}

func TestRecordsThatCannotBeReadAreRefused(t *testing.T) {
	for _, data := range []string{
		``, `{`, `{"v":2,"app":"op","status":"ok"}`, `{"v":1,"app":"OP","status":"ok"}`, `{"v":1,"app":"op","status":"asleep"}`,
		`{"v":1,"app":"op","status":"suspended"}`,
	} {
		if _, err := apps.Decode([]byte(data)); !errors.Is(err, apps.ErrRecord) {
			t.Errorf("%s: %v, want ErrRecord", data, err)
		}
	}
}
