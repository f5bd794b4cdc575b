package canary_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// R18, R20, G6: however a login goes, its user name and password are nowhere: in no
// file, stream or log, not sealed in any either, nor in clear on the way. An API key
// is sealed in its link's record and nowhere else.
func TestNoPasswordLeavesItsPlace(t *testing.T) {
	s := newSessions(t, time.Second)
	p := s.process()
	s.loginsThatSucceed()
	s.loginsThatFail()
	s.keys()
	strays := append(s.strays(), s.passwordCommands()...)
	s.retires(p)

	places := s.everywhere()
	s.nowhere(places)
	stray := needles{}
	for i, text := range strays {
		stray.hide(fmt.Sprintf("stray password %d", i), text)
	}
	for name, text := range places {
		found := stray.in(text)
		if own := name == s.inputs() || name == "wire"; !own && len(found) > 0 {
			t.Errorf("%s holds %q", name, found)
		} else if own && len(found) == 0 {
			t.Errorf("%s does not hold what was sent in the wrong place: the scan is blind", name)
		}
	}
}

// R18: a worker that is killed at any point of a login has left no password, and the
// next one asks for it again, unless the answer to it was saved.
func TestAKilledWorkerLeavesNoPassword(t *testing.T) {
	s := newSessions(t, 500*time.Millisecond)
	for _, at := range []struct {
		step  handlers.Step
		when  handlers.When
		saved bool
	}{
		{handlers.StepIntent, handlers.Before, false}, // asked, and not yet intended
		{handlers.StepIntent, handlers.After, false},
		{handlers.StepPresent, handlers.After, false},
		{handlers.StepSpool, handlers.Before, false},
		{handlers.StepSpool, handlers.After, true},
		{handlers.StepCommit, handlers.After, true},
		{handlers.StepOutbox, handlers.Before, true},
	} {
		l := s.login("wso2").revoked()
		// The refresh token is presented first; its verdict is where the password's turn comes.
		dying := s.process(fmt.Sprintf("REGRANT_FAILPOINT=%s:%s:pass,%s:%s", handlers.StepVerdict, handlers.After, at.step, at.when))
		l.fails(1)
		s.ended(dying)
		if n := s.openSpool(); (n > 0) != at.saved {
			t.Errorf("killed %s %s: %d answers in the spool", at.when, at.step, n)
		}
		asked := l.questions()
		next := s.process()
		l.recovers(2)
		s.retires(next)
		if again := l.questions() > asked; again == at.saved || asked != 1 {
			t.Errorf("killed %s %s: asked %d times before and %d times after", at.when, at.step, asked, l.questions()-asked)
		}
	}
	places := s.everywhere()
	if !strings.Contains(string(places["spool"]), `"sealed"`) {
		t.Error("no spool file was seen: there was nothing to scan")
	}
	s.nowhere(places)
}

// R18: an operator who wants to know what a worker is at, and gets all stacks for
// it, gets no password that is being presented.
func TestAStackDumpHasNoPassword(t *testing.T) {
	s := newSessions(t, time.Second)
	arrived, hold := make(chan providertest.Presentation), make(chan struct{})
	defer close(hold)
	l := s.login("wso2").revoked().meets(providertest.Fault{Arrived: arrived, Hold: hold})
	p := s.process("GOTRACEBACK=all")
	l.fails(1)
	for (<-arrived).Kind != providertest.KindPassword {
	}
	p.Signal(syscall.SIGQUIT)
	s.ended(p)
	if said := p.Output(); !strings.Contains(said, "PasswordCredentialsToken") {
		t.Error("no stack of the presentation is in what the worker said: there was nothing to scan")
	}
	p = s.process()
	l.recovers(2)
	s.retires(p)
	s.nowhere(s.everywhere())
}

// The places are worth looking at: what is planted in one of them is found there.
func TestThePlantedPasswordIsFound(t *testing.T) {
	s := newSessions(t, time.Second)
	p := s.process()
	l := s.login("sdk").revoked().fails(1).becomes(links.Active, 2)
	s.retires(p)
	const everywhere, spoken, process, temporary = "planted everywhere", "planted on the wire", "planted in a process", "planted in a temporary file"
	s.plant(everywhere)
	s.ok(s.listening.Publish("anything", []byte("a password: "+spoken)))
	_, _ = s.said.Write([]byte("panic: " + process))
	s.remains(temporary)
	places := s.everywhere()
	for secret, want := range map[string][]string{
		spoken: {"wire"}, process: {"processes"}, temporary: {"temporary files"}, l.apiKey: {"opened"},
		everywhere: {
			"api", "cli", "dir/data", "log", "nats/CANARY_AUDIT", "nats/CANARY_DEAD", "nats/CANARY_OUT", "nats/CANARY_TIMER", "nats/KV_canary_consents", "nats/KV_canary_index",
			"nats/KV_canary_links", "redis", "spool", "stream CANARY_AUDIT", "stream CANARY_DEAD", "stream CANARY_OUT", "stream CANARY_TIMER",
			"stream KV_canary_consents", "stream KV_canary_index", "stream KV_canary_links", "wire",
		},
	} {
		hidden := needles{}
		hidden.hide("it", secret)
		var found []string
		for name, text := range places {
			if len(hidden.in(text)) > 0 {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		if !slices.Equal(found, want) {
			t.Errorf("%q is found in %q, planted in %q", secret, found, want)
		}
	}
}

// nowhere fails where a secret of any login is, and where there was nothing to look at.
func (s *sessions) nowhere(places map[string][]byte) {
	s.t.Helper()
	persons, keys := needles{}, needles{}
	for _, l := range s.logins {
		persons.hide("password of "+l.Link.Link, l.password)
		persons.hide("user name of "+l.Link.Link, l.name)
		keys.hide("API key of "+l.Link.Link, l.apiKey)
	}
	for name, text := range places {
		found := persons.in(text)
		if name == "opened" { // whose login it is, is sealed with its tokens
			found = slices.DeleteFunc(found, func(what string) bool { return strings.HasPrefix(what, "user name") })
		} else {
			found = append(found, keys.in(text)...)
		}
		if len(found) > 0 {
			slices.Sort(found)
			s.t.Errorf("%s holds %q", name, found)
		}
	}
	s.sawSomething(places)
}

// sawSomething fails where a place is empty that cannot be, after what took place.
func (s *sessions) sawSomething(places map[string][]byte) {
	s.t.Helper()
	for name, word := range map[string]string{
		"wire": `"sealed":"`, "opened": `"access_token"`, "processes": "level=DEBUG", "metrics": "regrant_presentations_total", "log": "level=DEBUG",
		"redis": "canary:lock:", "stream CANARY_OUT": "token-rotated", "stream KV_canary_links": `"sealed"`,
		"nats/CANARY_OUT": "token-rotated", "nats/KV_canary_links": `"sealed"`, "nats/CANARY_IN": "token-expired", "dir/regrant.yaml": "wso2", "dir/keys.json": "",
	} {
		if text, ok := places[name]; !ok || !strings.Contains(string(text), word) {
			s.t.Errorf("%s does not hold %q: there was nothing to scan", name, word)
		}
	}
}

// loginsThatSucceed end in a token, at once or after what the provider did to the answer.
func (s *sessions) loginsThatSucceed() {
	s.t.Helper()
	l := s.login("wso2")
	s.cell.Sim.ForeignLogin("wso2", l.name)
	l.fails(1).becomes(links.Active, 2)
	l.revoked().fails(2).recovers(3)
	for _, f := range []providertest.Fault{
		{When: providertest.After, Kind: providertest.Reset}, {When: providertest.After, Kind: providertest.Truncate},
		{When: providertest.After, Kind: providertest.Garbage}, {When: providertest.After, Kind: providertest.Status500},
		{When: providertest.After, Kind: providertest.CloseNoReply}, {Kind: providertest.Status429, RetryAfter: "1"},
	} {
		s.login("wso2").revoked().meets(f).fails(1).recovers(2)
	}
}

// loginsThatFail end with the owner of the session called for.
func (s *sessions) loginsThatFail() {
	s.t.Helper()
	wrong := s.login("wso2").revoked()
	wrong.mistakes("not "+wrong.password).fails(1).becomes(links.ConsentRequired, 1)
	for _, spill := range []func(*login) providertest.Fault{ // a provider that repeats what it was sent
		func(l *login) providertest.Fault {
			return providertest.Fault{Kind: providertest.ErrorReply, Code: l.password}
		},
		func(l *login) providertest.Fault {
			return providertest.Fault{Kind: providertest.ErrorReply, Code: l.name, Status: 401}
		},
		func(l *login) providertest.Fault {
			return providertest.Fault{Kind: providertest.ErrorReply, Code: "unknown user " + l.name, Status: 403}
		},
	} {
		l := s.login("wso2").revoked()
		l.meets(spill(l)).fails(1).becomes(links.ConsentRequired, 1)
	}
	for _, bad := range []func(*login) (user, password string, err error){
		func(l *login) (string, string, error) { panic(l.password) },
		func(l *login) (string, string, error) { return "", "", fmt.Errorf("not found: %s", l.password) },
		func(l *login) (string, string, error) { return l.name, l.password + "\xff", nil },
		func(l *login) (string, string, error) { return l.name, strings.Repeat(l.password, 1000), nil },
		func(l *login) (string, string, error) { return "", l.password, nil },
	} {
		l := s.login("wso2").revoked()
		l.giving(func(context.Context) (string, string, error) { return bad(l) }).fails(1).becomes(links.ConsentRequired, 1)
		l.giving(nil).recovers(2)
	}
	s.login("wso2").revoked().fails(1).recovers(2).logsOut()
}

// keys are logins whose second credential is an API key, good, bad and spilt.
func (s *sessions) keys() {
	s.t.Helper()
	s.login("sdk").revoked().fails(1).becomes(links.Active, 2).logsOut()
	lost := s.login("sdk")
	s.cell.Sim.Script("sdk", providertest.Fault{When: providertest.After, Kind: providertest.Reset})
	lost.fails(1).becomes(links.Active, 2)
	dead := s.login("sdk").revoked()
	s.cell.Sim.RevokeAPIKey("sdk", dead.apiKey)
	dead.fails(1).becomes(links.ConsentRequired, 1)
	spilt := s.login("sdk").revoked()
	spilt.meets(providertest.Fault{Kind: providertest.ErrorReply, Code: spilt.apiKey}).fails(1).becomes(links.ConsentRequired, 1)
}
