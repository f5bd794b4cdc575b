package handlers_test

import (
	"slices"
	"time"

	"github.com/regrant/regrant/links"
)

// apart is more than what any two clocks of a run differ by.
const apart = 45 * time.Second

// freshRefusals are when bearers of our own making were replaced because they were
// refused before their time: surely, whatever the workers' clocks say, and perhaps.
type freshRefusals struct{ sure, may []time.Time }

// look holds a write against what R19 asks for: refreshing stops when so many bearers
// were refused within ten minutes, and not before.
func (f *freshRefusals) look(w *world, was, is links.Link) {
	limit, window := 3, 60*w.budget.LockTTL
	if w.rules.NewRefreshInvalidatesOldAccess {
		limit = 4
	}
	f.sure, f.may = younger(f.sure, window-apart), younger(f.may, window+apart)
	switch _, refreshed := is.Current(); {
	case is.Stop != nil && (was.Stop == nil || *is.Stop != *was.Stop):
		if n := len(f.may) + 1; n < limit {
			w.t.Errorf("refreshing stops, and only %d bearers of ours were refused", n)
		}
		f.sure, f.may = nil, nil
	case is.Generation > was.Generation:
		f.replaced(was, window)
	case was.Status == links.Active && refreshed && surely(is, window) && !w.rules.LastChance:
		if n := len(f.sure) - len(younger(f.sure, apart)) + 1; n >= limit {
			w.t.Errorf("refreshing goes on, and %d bearers of ours were refused within %v", n, window)
		}
	}
}

// replaced counts the bearer that is replaced. A clock that is behind forgets those that
// it thinks are to come.
func (f *freshRefusals) replaced(was links.Link, window time.Duration) {
	now := time.Now()
	if was.Refused && was.Generation > 1 && now.Sub(was.IssuedAt) < window+apart && now.Before(was.ExpiresAt.Add(apart)) {
		f.may = append(f.may, now)
	}
	f.sure = slices.DeleteFunc(f.sure, func(at time.Time) bool { return now.Sub(at) < apart })
	if surely(was, window) {
		f.sure = append(f.sure, now)
	}
}

// surely says that no clock takes the refusal of a bearer for one that was to be expected.
func surely(l links.Link, window time.Duration) bool {
	age := time.Since(l.IssuedAt)
	return l.Refused && l.Generation > 1 && l.Fingerprint != "" && age > apart && age < window-apart && time.Until(l.ExpiresAt) > apart
}

func younger(all []time.Time, age time.Duration) []time.Time {
	return slices.DeleteFunc(slices.Clone(all), func(at time.Time) bool { return time.Since(at) >= age })
}
