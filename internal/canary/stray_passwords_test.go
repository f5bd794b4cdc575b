package canary_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
)

// strays are passwords that services send where none belongs: in inputs, in asks,
// and in answers that are not sealed. They are on the wire, for which Regrant is not
// to blame, and inputs are in their stream.
func (s *sessions) strays() (canaries []string) {
	s.t.Helper()
	for i, body := range []string{
		`"generation":1,"reason":"unauthorized","password":"@"`, `"generation":1,"reason":"@"`, `"generation":1,"reason":"unauthorized","username":"@","api_key":"@"`,
	} {
		canaries = append(canaries, fmt.Sprintf("stray-password-%02d-in-an-input", i))
		s.input(strings.ReplaceAll(body, "@", canaries[i]))
	}
	s.buried(len(canaries))
	for i, answer := range []string{
		`{"username":"@","password":"@"}`, `"@"`, `{"sealed":"@"}`, `{"refused":"@"}`, "@",
	} {
		canary := fmt.Sprintf("stray-password-%02d-in-an-answer", i)
		canaries = append(canaries, canary)
		s.answered(strings.ReplaceAll(answer, "@", canary))
	}
	return append(canaries, s.misasked()...)
}

// input publishes a report that is none, with this in its data.
func (s *sessions) input(data string) {
	s.t.Helper()
	a := s.login("wso2").Address
	body := fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"//r","type":"dev.regrant.token-expired.v1","subject":%q,"data":{"tenant":"default","provider":"wso2","link":%q,%s}}`,
		a.Link, a.Link, data)
	_, err := s.cell.Bus.JetStream().PublishMsg(s.t.Context(), &nats.Msg{
		Subject: s.cell.Bus.Names().Subjects().In(a, events.NameTokenExpired), Header: nats.Header{events.HeaderContentType: {events.ContentType}}, Data: []byte(body),
	})
	s.ok(err)
}

// buried waits until there are so many dead letters.
func (s *sessions) buried(n int) {
	s.t.Helper()
	testenv.Eventually(s.t, limit, "every bad input is a dead letter", func() bool {
		of, err := s.cell.Bus.JetStream().Stream(s.t.Context(), s.cell.Bus.Names().Dead())
		s.ok(err)
		return of.CachedInfo().State.Msgs == uint64(n)
	})
}

// answered lets an owner that knows nothing of sealing speak for a session.
func (s *sessions) answered(text string) {
	s.t.Helper()
	l := s.login(other).revoked().giving(func(context.Context) (string, string, error) { return "", "", credentials.ErrNotMine })
	sub, err := s.listening.Subscribe(s.cell.Bus.Names().Subjects().Credentials(l.Address), func(m *nats.Msg) { _ = m.Respond([]byte(text)) })
	s.ok(err)
	s.ok(s.listening.Flush())
	l.fails(1).becomes(links.ConsentRequired, 1)
	s.ok(sub.Unsubscribe())
}

// misasked sends owners asks that are none, and returns the passwords in them.
func (s *sessions) misasked() (canaries []string) {
	s.t.Helper()
	a := s.login("wso2").Address
	for i, text := range []string{`{"password":"@"}`, "@", `{"tenant":"@","provider":"@","link":"@"}`, `{"generation":"@"}`} {
		canary := fmt.Sprintf("stray-password-%02d-in-an-ask", i)
		canaries = append(canaries, canary)
		s.ok(s.listening.PublishRequest(s.cell.Bus.Names().Subjects().Credentials(a), "nobody", []byte(strings.ReplaceAll(text, "@", canary))))
	}
	return canaries
}

// passwordCommands runs the commands that credentials go through, and those that
// show links, well and badly. It returns what they were given and must not repeat.
func (s *sessions) passwordCommands() (canaries []string) {
	s.t.Helper()
	workerd, publisher := testenv.Build(s.t, "./cmd/worker", "failpoint"), testenv.Build(s.t, "./cmd/publisher")
	about := []string{"--config=" + s.config, "--json", "--log-level=debug"}
	var lines []string
	for i, line := range []string{
		`{"provider":"wso2","user":"u","access_token":"a","refresh_token":"r","password":"@"}`,
		`{"provider":"wso2","user":"u","access_token":"a","refresh_token":"r","api_key":"@"}`,
		`{"provider":"sdk","user":"u","access_token":"a","api_key":["@"]}`, `{"provider":"sdk","user":"u","access_token":"a","api_key":"@"`,
		`{"provider":"sdk","user":"u","api_key":"@"}`, `{"provider":"@","user":"u","access_token":"a","api_key":"@"}`, `{"@":"@"}`, `@`, `"@"`,
		`{"provider":"sdk","user":"u","access_token":"a","api_key":"@"} @`, `{"provider":"sdk","user":"u","expires_at":"@"}`,
	} {
		canaries = append(canaries, fmt.Sprintf("stray-password-%02d-in-a-line", i))
		lines = append(lines, strings.ReplaceAll(line, "@", canaries[i]))
	}
	s.run(workerd, strings.Join(lines, "\n"), -1, append([]string{"links", "import"}, about...)...)
	s.run(workerd, strings.Join(lines, "\n"), -1, "links", "import", "--config="+s.config, "--atomic")
	s.importedByCommand(workerd, about)
	s.run(workerd, "", 0, append([]string{"links", "list"}, about...)...)
	s.run(workerd, "", 0, "links", "list", "--config="+s.config)
	shown := map[links.Status]bool{}
	for _, l := range s.logins { // one in each state
		is, err := s.cell.Link(s.t.Context(), l.Address)
		s.ok(err)
		if !shown[is.Status] {
			s.run(workerd, "", 0, append([]string{"links", "show", l.Link.Link}, about...)...)
		}
		shown[is.Status] = true
	}
	l := s.login("wso2")
	s.run(publisher, "", 0, append([]string{"logout-requested", "--provider=wso2", "--link=" + l.Link.Link}, about...)...)
	l.becomes(links.Revoked, 1)
	return canaries
}

// importedByCommand makes a link with an API key as an operator does.
func (s *sessions) importedByCommand(workerd string, about []string) {
	s.t.Helper()
	l := s.newLogin("sdk")
	line, err := json.Marshal(map[string]string{
		"provider": "sdk", "link": l.Link.Link, "user": "anna", "sub": l.name, "access_token": l.AccessToken, "refresh_token": l.RefreshToken, "api_key": l.apiKey,
	})
	s.ok(err)
	s.run(workerd, string(line), 0, append([]string{"links", "import"}, about...)...)
	l.revoked().fails(1).becomes(links.Active, 2)
}
