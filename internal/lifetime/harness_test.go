package lifetime

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers/providertest"
)

// five are the names of the systems.
var five = slices.Sorted(maps.Keys(systems))

// each runs a test at each of the systems, with one worker and a link that anna made
// with her login.
func each(t *testing.T, names []string, test func(t *testing.T, w *World, a events.Address), changes ...func(*System)) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at(t, name, test, changes...)
		})
	}
}

func at(t *testing.T, name string, test func(t *testing.T, w *World, a events.Address), changes ...func(*System)) {
	t.Helper()
	s := Named(t, name, append([]func(*System){systems[name]}, changes...)...)
	Run(t, Options{Systems: map[string]System{name: s}}, func(t *testing.T, w *World) {
		test(t, w, w.User("anna").Consent(Trip{Provider: name, As: "anna-1", Nickname: "Joint account"}))
	})
}

// accounts is what a login has.
func accounts(ids ...string) []providertest.ConsentOption {
	return []providertest.ConsentOption{providertest.WithAccounts(ids...)}
}

// expire lets the bearer of a link end, and no more.
func expire(w *World, a events.Address) {
	w.Pass(time.Until(w.Link(a).ExpiresAt) + time.Second)
}

// codes counts the presentations of authorization codes.
func codes(w *World, provider string) int {
	return len(w.Ledger(providertest.Filter{Provider: provider, Kind: providertest.KindCode}))
}

// mustCall uses a link, which must help.
func mustCall(t *testing.T, s *Service) {
	t.Helper()
	if !s.Call() {
		t.Error("the resource was not reached")
	}
}

func wantRefreshes(t *testing.T, w *World, a events.Address, want int) {
	t.Helper()
	if got := w.Refreshes(a.Provider); got != want {
		t.Errorf("%d refresh tokens were presented, want %d", got, want)
	}
}

func wantNames(t *testing.T, w *World, a events.Address, want ...events.Name) {
	t.Helper()
	if got := w.Names(a); !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

// near says whether a time is what it should be, to the second.
func near(got, want time.Time) bool { return got.Sub(want).Abs() <= time.Second }
