package lifetime

import (
	"slices"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// wantServed: what is served is the newest generation, and works.
func (l *life) wantServed() {
	l.Helper()
	got, is := l.bearer(), l.w.Link(l.a)
	if got.Generation != is.Generation || !l.w.Sim.Alive(got.Bearer) {
		l.Errorf("%s: generation %d of %d is served, alive: %t", l.name, got.Generation, is.Generation, l.w.Sim.Alive(got.Bearer))
	}
}

// wantSaid: these events and no others in this step.
func (l *life) wantSaid(want ...events.Name) {
	l.Helper()
	if got := l.w.Names(l.a)[l.said:]; !slices.Equal(got, want) {
		l.Errorf("%s: said %q, want %q", l.name, got, want)
	}
}

// wantLast: the newest of these events is it, and it came once in this step.
func (l *life) wantLast(all []events.Name, want events.Name) {
	l.Helper()
	step := all[l.said:]
	if i := slices.Index(step, want); i < 0 || i != len(step)-1 {
		l.Errorf("%s: said %q, want %s once, at the end", l.name, step, want)
	}
}

func (l *life) wantReason(want string) {
	l.Helper()
	if got := Newest[events.ConsentRequired](l.w, l.a).Reason; got != want {
		l.Errorf("%s: the user is asked because of %s, want %s", l.name, got, want)
	}
}

// wantOutcomes: what became of each presentation of a refresh token in this step.
func (l *life) wantOutcomes(want ...providertest.Outcome) {
	l.Helper()
	if got := l.outcomes(); !slices.Equal(got, want) {
		l.Errorf("%s: the presentations were %q, want %q", l.name, got, want)
	}
}

func (l *life) outcomes() []providertest.Outcome {
	var all []providertest.Outcome
	for _, seen := range l.shown() {
		all = append(all, seen.Outcome)
	}
	return all
}

// wantWithinWindow: a token whose answer was lost is shown again, and not after the
// window that its provider leaves.
func (l *life) wantWithinWindow() {
	l.Helper()
	all := l.shown()
	if len(all) < 3 {
		l.Errorf("%s: shown %d times", l.name, len(all))
	}
	window := l.system.Behaviour.Grace
	for _, seen := range all {
		if late := seen.At.Sub(all[0].At); window > 0 && late > window {
			l.Errorf("%s: shown %s after the first time", l.name, late)
		}
	}
}

// audit is of the whole life, by the provider's ledger: no family was revoked for
// what we did, no code was shown twice, a refresh token only as often as the rule
// allows, and each answer that arrived is a generation.
func (l *life) audit() {
	l.Helper()
	if n := l.w.Sim.Revoked(l.a.Provider); n != 0 {
		l.Errorf("%d families were revoked because a used token came back", n)
	}
	looked, answered := map[providertest.TokenKey]int{}, 0
	for _, seen := range l.w.Ledger(providertest.Filter{Provider: l.a.Provider}) {
		switch seen.Outcome {
		case providertest.Client, providertest.Throttled, providertest.Unprocessed:
			continue // the token was not looked at
		case providertest.Refused, providertest.ReuseRevoked, providertest.Malformed:
			l.Errorf("a presentation of serial %d was %s", seen.Serial, seen.Outcome)
		case providertest.OK, providertest.ReuseGrace:
			if seen.Fault == "" {
				answered++
			}
		}
		looked[providertest.TokenKey{Family: seen.Family, Serial: seen.Serial}]++
	}
	l.auditTokens(looked)
	if is := l.w.Link(l.a).Generation; uint64(answered) != is {
		l.Errorf("%d answers arrived, and the link is at generation %d", answered, is)
	}
}

func (l *life) auditTokens(looked map[providertest.TokenKey]int) {
	l.Helper()
	for token, n := range looked {
		allowed := l.lost
		if token.Serial == 0 {
			allowed = 1 // a code
		}
		if n > allowed && l.profile().Rotation != providers.RotationNone {
			l.Errorf("credential %d of %s was taken %d times, want %d at most", token.Serial, token.Family, n, allowed)
		}
	}
}
