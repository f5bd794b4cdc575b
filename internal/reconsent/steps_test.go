package reconsent_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testop"
)

// step is something that somebody does in a scene. Each ends when what came of it
// was printed.
type step func(*scene)

// comes makes a link: a flow for a new one, whose user logs in as asked. A name
// that a link has already is a link to consent again for.
func comes(link, user, login string, choices ...testop.Choice) step {
	return func(s *scene) {
		s.t.Helper()
		f, url := s.begin(link, user)
		s.complete(f, s.op.Consent(s.t, url, s.login(login), choices...), exits(0), "--user", s.user(user))
	}
}

// returns is comes for a link that there is.
var returns = comes

// fails is a consent of which nothing comes but an event that says why.
func fails(link, user, login, says string, choices ...testop.Choice) step {
	return func(s *scene) {
		s.t.Helper()
		f, url := s.begin(link, user)
		s.complete(f, s.op.Consent(s.t, url, s.login(login), choices...), ending{code: 1, says: says})
	}
}

// stages is a consent whose code the service exchanged.
func stages(link, user, login string) step {
	return func(s *scene) {
		s.t.Helper()
		staged := s.stage(link, user, login)
		s.report(exits(0), "--link", staged.Link, "--staging", staged.Staging)
	}
}

func approves(link string, consent uint64) step {
	return func(s *scene) { s.t.Helper(); s.decide(link, consent, events.DecisionApprove, exits(0)) }
}

func rejects(link string, consent uint64) step {
	return func(s *scene) { s.t.Helper(); s.decide(link, consent, events.DecisionReject, exits(0)) }
}

// approvesInVain is a decision on a consent that is not held: nothing comes of it.
func approvesInVain(link string, consent uint64) step {
	return func(s *scene) {
		s.t.Helper()
		s.run(s.t, exits(0), s.publisher, "link-replacement-decided", "--provider", s.provider, "--link", s.links[link],
			"--consent", fmt.Sprint(consent), "--decision", "approve")
		s.quiet()
	}
}

// changes gives a login other claims.
func changes(login string, claims map[string]any) step {
	return func(s *scene) { s.has(login, claims) }
}

// crossed brings one user's callback under another's name: a browser that followed
// somebody else's link.
func crossed(link, user, login, thief string) step {
	return func(s *scene) {
		s.t.Helper()
		f, url := s.begin(link, user)
		back := s.op.Consent(s.t, url, s.login(login))
		s.complete(f, back, ending{code: 1, says: "state_of_another_user in data.user"}, "--user", s.user(thief))
		s.complete(f, back, exits(0), "--user", s.user(user)) // the right one may still complete it
	}
}

// repeats brings the last code once more, and another one for the same state.
func repeats(link, user, login string) step {
	return func(s *scene) {
		s.t.Helper()
		f, url := s.begin(link, user)
		back := s.op.Consent(s.t, url, s.login(login))
		s.complete(f, back, exits(0))
		s.run(s.t, ending{in: back.Code}, s.publisher, "reconsent-completed", "--provider", s.provider, "--link", f.link,
			"--state", f.state, "--iss", back.Iss, "--code-stdin")
		s.quiet()
		back.Code = "another"
		s.complete(f, back, ending{code: 1, says: "used_state in data.state"})
	}
}

func newClient(t *testing.T) *http.Client {
	c := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}
