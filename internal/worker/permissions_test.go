package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/secret"
)

// caller is a user of the NATS server and what it was refused.
type caller struct {
	*nats.Conn
	name   string
	denied chan error
}

func login(t *testing.T, server, name string) caller {
	t.Helper()
	c := caller{name: name, denied: make(chan error, 100)}
	var err error
	c.Conn, err = nats.Connect(as(t, server, name), nats.CustomInboxPrefix("_INBOX_"+name), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func as(t *testing.T, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, name)
	return u.String()
}

// ask sends a request; nil means that the server did not let it through, or that
// nobody serves its subject.
func (c caller) ask(t *testing.T, subject string, body any) []byte {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	answer := make(chan []byte, 1)
	go func() {
		m, err := c.RequestWithContext(ctx, subject, data)
		switch {
		case err == nil:
			answer <- m.Data
		case errors.Is(err, nats.ErrNoResponders):
			answer <- nil
		}
	}()
	for {
		select {
		case reply := <-answer:
			return reply
		case err := <-c.denied:
			if denies(err, subject) {
				return nil
			}
		case <-ctx.Done():
			t.Fatalf("%s asks %s: neither answered nor refused", c.name, subject)
		}
	}
}

// denies says whether an error is the server's refusal of a subject.
func denies(err error, subject string) bool {
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), strconv.Quote(subject))
}

// listens says whether the server lets a caller subscribe.
func (c caller) listens(t *testing.T, subject string) bool {
	t.Helper()
	sub, err := c.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := c.Flush(); err != nil { // a refusal comes before its answer
		t.Fatal(err)
	}
	return !denies(c.LastError(), subject)
}

// permissions are what a server's operator grants to each kind of caller.
const permissions = `authorization { users = [
  { user: worker, password: worker }
  { user: readerA, password: readerA, permissions: { publish: ["regrant.api.default.op.A.token"], subscribe: ["_INBOX_readerA.>"] } }
  { user: readers, password: readers, permissions: { publish: ["regrant.api.default.op.*.token"], subscribe: ["_INBOX_readers.>"] } }
  { user: reporter, password: reporter, permissions: { publish: ["regrant.in.>"], subscribe: ["_INBOX_reporter.>"] } }
  { user: callback, password: callback, permissions: { publish: ["regrant.api.default.consent-begin", "regrant.api.default.list", "regrant.in.>"], subscribe: ["_INBOX_callback.>"] } }
] }`

// guarded is a cell with a worker and the links A and B, at a server that asks who
// is there.
func guarded(t *testing.T) (server string, c *fleet.Cell, made map[string]fleet.Link) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(conf, []byte(permissions), 0o600); err != nil {
		t.Fatal(err)
	}
	server = testenv.RealNATS(t, dir, 0, "-c", conf).URL
	c = newCell(t, as(t, server, "worker"))
	start(t, c, "w1", nil)
	im := worker.Importer(c.Config, c.Bus, c.Store, c.Keys, time.Now)
	made = map[string]fleet.Link{}
	for _, name := range []string{"A", "B"} {
		l := fleet.Link{Address: events.Address{Tenant: "default", Provider: "op", Link: name}, Grant: c.Sim.Issue("op", "sub-"+name)}
		err := im.Import(t.Context(), handlers.ImportLine{
			Address: l.Address, User: "user", Sub: l.Sub, Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ExpiresAt: l.ExpiresAt,
		})
		if err != nil {
			t.Fatal(err)
		}
		made[name] = l
	}
	return server, c, made
}

// Who may read a bearer is decided by the server, link by link. A reporter reports
// and reads nothing, and nobody's permissions reach a refresh token.
func TestReadingIsAPermissionOfItsOwn(t *testing.T) {
	server, c, made := guarded(t)
	subjects := c.Bus.Names().Subjects()
	for name, may := range map[string]map[string]bool{
		"readerA": {"A": true}, "readers": {"A": true, "B": true}, "reporter": {}, "callback": {},
	} {
		who := login(t, server, name)
		for at, l := range made {
			reply := who.ask(t, subjects.APILink(l.Address, api.VerbToken), api.Token{})
			if got := bytes.Contains(reply, []byte(l.Bearer)); got != may[at] {
				t.Errorf("%s read %s: %v, want %v", name, at, got, may[at])
			}
			wantNoRefreshToken(t, reply, made)
		}
		for _, subject := range []string{"_INBOX.>", "_INBOX_regrant_worker.>", "regrant.api.>", "$KV.>", "$JS.API.>"} {
			if who.listens(t, subject) {
				t.Errorf("%s listens to %s", name, subject)
			}
		}
		if reply := who.ask(t, "$JS.API.DIRECT.GET.KV_"+c.Bus.Names().Links(), struct{}{}); reply != nil {
			t.Errorf("%s reads the store: %d bytes", name, len(reply))
		}
	}
}

func TestAReporterReportsAndReadsNothing(t *testing.T) {
	server, c, made := guarded(t)
	a := made["A"].Address
	m, err := c.Report(events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized})
	if err != nil {
		t.Fatal(err)
	}
	who := login(t, server, "reporter")
	if reply := who.ask(t, m.Subject, json.RawMessage(m.Data)); !bytes.Contains(reply, []byte(`"stream"`)) {
		t.Errorf("the report was answered with %s", reply)
	}
	awaitGeneration(t, c, a, 2)
	if reply := who.ask(t, c.Bus.Names().Subjects().APILink(a, api.VerbToken), api.Token{}); reply != nil {
		t.Error("the reporter was answered")
	}
}

// Whatever is asked, no reply holds a refresh token.
func TestNoRequestReachesARefreshToken(t *testing.T) {
	server, c, made := guarded(t)
	who := login(t, server, "worker")
	subjects := c.Bus.Names().Subjects()
	for _, body := range []any{api.Token{}, api.Token{MinGeneration: 2}, map[string]any{"refresh_token": true}, map[string]any{"kind": "refresh"}, []int{}} {
		for _, verb := range []string{api.VerbToken, "refresh-token", "show", "explain"} {
			wantNoRefreshToken(t, who.ask(t, subjects.APILink(made["A"].Address, verb), body), made)
		}
	}
	for _, verb := range []string{api.VerbList, api.VerbConsentBegin, api.VerbStage} {
		body := map[string]any{"user": "user"}
		if verb != api.VerbList {
			body = map[string]any{"user": "user", "provider": "op", "link": "A"}
		}
		wantNoRefreshToken(t, who.ask(t, subjects.API("default", verb), body), made)
	}
}

func wantNoRefreshToken(t *testing.T, reply []byte, made map[string]fleet.Link) {
	t.Helper()
	for _, l := range made {
		for what, token := range map[string]string{"refresh token": l.RefreshToken, "subject": l.Sub} {
			if token == "" || bytes.Contains(reply, []byte(token)) {
				t.Errorf("a reply holds a %s", what)
			}
		}
	}
}
