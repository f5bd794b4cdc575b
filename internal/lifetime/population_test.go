package lifetime

import (
	"cmp"
	"os"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// The five systems, and what an operator knows beside the profile: how long an
// unused refresh token lives where the vendor leaves that to a bank, or to whoever
// runs the server.
var systems = map[string]func(*System){
	"akoya":        idle(30*Day, 20*Day),
	"astra":        func(*System) {},
	"sdk":          func(*System) {},
	"wso2":         idle(20*Day, 14*Day),
	"nextidentity": idle(30*Day, 20*Day),
}

// idle makes refresh tokens die so long after they were issued.
func idle(life, keepAlive time.Duration) func(*System) {
	return func(s *System) {
		s.Behaviour.RefreshTTL = life
		s.Profile.RefreshIdle, s.Profile.KeepAlive = life, keepAlive
	}
}

// quick signs with what costs a tenth: who signs how is not what is counted here.
func quick(s *System) {
	s.Behaviour.Alg = "ES256"
	if len(s.Profile.IDTokenAlgs) > 0 {
		s.Profile.IDTokenAlgs = []string{"ES256"}
	}
}

// doomed lets refresh tokens die: nothing keeps them alive, and nothing takes their
// place.
func doomed(s *System) { s.Profile.KeepAlive, s.Profile.Grants = 0, nil }

// 60 days, 100 links at each system, or 1,000 with REGRANT_LINKS=1000. No link dies of age, each
// refresh is required by an expiry or a clock, and prompts come on their days.
func TestSixtyDaysOfAThousandLinks(t *testing.T) {
	for name, known := range systems {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := Named(t, name, known, quick, doomed)
			kept := Named(t, name, known, quick)
			Run(t, Options{Brief: true, Systems: map[string]System{name: kept, name + "-ends": ends}}, func(t *testing.T, w *World) {
				began := time.Now()
				forgotten := w.Populate(name+"-ends", Share{50, Unused})
				used := w.Populate(name, shares(testing.Short())...)
				w.Pass(60 * Day)
				used.End()
				forgotten.End()
				checkKept(t, w, used.Audit())
				checkPrompts(t, w, forgotten, ends, began)
			})
		})
	}
}

func shares(short bool) []Share {
	if short {
		return []Share{{40, Unused}, {2, Daily}, {1, Parts}}
	}
	if os.Getenv("REGRANT_LINKS") == "1000" { // the number that is promised; a minute and a half of two cores
		return []Share{{930, Unused}, {17, Daily}, {1, Hourly}, {1, Bursts}, {1, Parts}}
	}
	return []Share{{90, Unused}, {7, Daily}, {1, Hourly}, {1, Bursts}, {1, Parts}}
}

func checkKept(t *testing.T, w *World, a Audit) {
	t.Log(a)
	for _, d := range a.Dead {
		t.Errorf("link %s, %s, is %s after %s: %s", d.Link, d.Usage, d.Status, d.Age, d.Reason)
	}
	if surplus := float64(a.Presentations - a.Required()); surplus > 0.02*float64(a.Required()) {
		t.Errorf("%d presentations, and expiries and clocks required %d", a.Presentations, a.Required())
	}
	if a.Failed > 0 || a.Unanswered > 0 || a.Refused > 0 {
		t.Errorf("%d uses failed, %d expiries had no answer, %d presentations were refused", a.Failed, a.Unanswered, a.Refused)
	}
	if a.Expiries == 0 || a.ForClock == 0 {
		t.Errorf("%d expiries, %d refreshes by a clock: the population shows nothing", a.Expiries, a.ForClock)
	}
	if n := len(w.DeadLetters()); n > 0 {
		t.Errorf("%d dead letters, the first: %+v", n, w.DeadLetters()[0])
	}
}

// checkPrompts: nobody keeps these links alive, nobody uses them and nobody comes
// back. Each is spoken of on the configured days before its end, at its end, and
// never again.
func checkPrompts(t *testing.T, w *World, p *Population, s System, began time.Time) {
	life := cmp.Or(s.Profile.RefreshIdle, s.Behaviour.RefreshTTL)
	for _, m := range p.Members {
		var want []time.Time
		for _, before := range s.Profile.PromptBefore {
			if before < life {
				want = append(want, m.Since.Add(life-before))
			}
		}
		said := w.Told(m.Address, events.NameConsentExpiring)
		if len(said) != len(want) {
			t.Fatalf("link %s was prompted %d times, want %d", m.Link, len(said), len(want))
		}
		for i, told := range said {
			if late := told.At.Sub(want[i]); late < 0 || late > time.Second {
				t.Errorf("link %s: prompt %d on day %.3f, want %.3f", m.Link, i, days(told.At.Sub(began)), days(want[i].Sub(began)))
			}
		}
		checkEnd(t, w, m, life)
	}
	t.Logf("%s: %d links prompted for %v before day %.0f, and once on it", p.Provider, len(p.Members), s.Profile.PromptBefore, days(life))
}

func checkEnd(t *testing.T, w *World, m *Member, life time.Duration) {
	t.Helper()
	over := w.Told(m.Address, events.NameConsentRequired, events.NameCredentialsRequired)
	if len(over) != 1 || w.Link(m.Address).Status != links.ConsentRequired {
		t.Fatalf("link %s: said %v, and is %s", m.Link, w.Names(m.Address), w.Link(m.Address).Status)
	}
	if late := over[0].At.Sub(m.Since.Add(life)); late < 0 || late > time.Second {
		t.Errorf("link %s ended %s from its clock", m.Link, late)
	}
	if seen := w.Refreshes(m.Provider); seen != 0 {
		t.Errorf("%d refreshes of links that nobody used", seen)
	}
}

func days(d time.Duration) float64 { return d.Hours() / 24 }
