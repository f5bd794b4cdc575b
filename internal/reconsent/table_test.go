package reconsent_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// row is a row of the decision table: what there is, what happens, and what is
// told and left. Links are L and M, and N where a new one was made for a login.
type row struct {
	name     string
	provider string // by its policy
	given    []step
	when     []step
	told     []string // the events, in short
	left     []string // the users' links: name, user, login, state, generation.consent
	shows    []string // what `worker links show L` prints
}

func TestDecisionTable(t *testing.T) {
	s := newStack(t)
	t.Run("rows", func(t *testing.T) {
		for i, r := range table {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.play(newScene(t, s, fmt.Sprint("row ", i+1), r.provider))
			})
		}
	})
	s.judge(t)
}

func (r row) play(s *scene) {
	for _, step := range r.given {
		step(s)
	}
	s.forget()
	for _, step := range r.when {
		step(s)
	}
	all := s.lists(r.left)
	if got := s.told(); strings.Join(got, "\n") != strings.Join(r.told, "\n") {
		s.t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(r.told, "\n\t"))
	}
	for _, want := range r.shows {
		if shown := s.run(s.t, exits(0), s.worker, "links", "show", s.links["L"]); !regexp.MustCompile(`(?m)` + want).MatchString(shown) {
			s.t.Errorf("links show does not say %q:\n%s", want, shown)
		}
	}
	s.refreshes(all)
}

// judge asks the provider, when all is over: each code and each refresh token was
// presented once, so nothing was ended by a repetition, and what was revoked was
// rejected.
func (s *stack) judge(t *testing.T) {
	t.Helper()
	seen := s.op.Counts()
	for name, counts := range map[string]map[string]int{"code": seen.Codes, "refresh token": seen.RefreshTokens, "revoked token": seen.Revoked} {
		for _, n := range counts {
			if n != 1 {
				t.Errorf("a %s was presented %d times", name, n)
			}
		}
	}
	if len(seen.Revoked) != 1 { // by the one row whose provider may revoke a token alone
		t.Errorf("%d tokens were revoked", len(seen.Revoked))
	}
	t.Logf("the provider saw %d codes, %d refresh tokens and %d revocations", len(seen.Codes), len(seen.RefreshTokens), len(seen.Revoked))
}
