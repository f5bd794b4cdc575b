package permissions_test

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/internal/permissions"
	"github.com/regrant/regrant/internal/testenv"
)

// server is one with a scope's users, and in the cell a spy who may do anything.
func server(t *testing.T, s permissions.Scope) string {
	t.Helper()
	list := []byte("    users: [\n") // that of the cell comes first
	conf := bytes.Replace(accounts(t, s), list, append(list, "      { user: spy, password: spy }\n"...), 1)
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	must(t, os.WriteFile(file, conf, 0o600))
	return testenv.RealNATS(t, dir, 0, "-c", file).URL
}

// TestWhoMayDoWhat tries every line of the table as every user. There is no stream:
// what is let through has no effect.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	url := server(t, example)
	heard := listen(t, url)
	for _, name := range users {
		u := login(t, url, name)
		for _, r := range publishing {
			if got := u.publishes(t, r.subject); got != r.may(name) {
				t.Errorf("%s publishes to %s: %v, want %v", name, r.subject, got, r.may(name))
			}
			if came := heard.arrived(t, name, r.subject); came != r.may(name) {
				t.Errorf("%s: what it published to %s came into the cell: %v", name, r.subject, came)
			}
		}
		for _, r := range listening {
			if got := u.listens(t, r.subject); got != r.may(name) {
				t.Errorf("%s listens to %s: %v, want %v", name, r.subject, got, r.may(name))
			}
		}
	}
}

// user is a connection under the permissions of one.
type user struct {
	*nats.Conn
	name string
}

func login(t *testing.T, server, name string) user {
	t.Helper()
	u, err := url.Parse(server)
	must(t, err)
	u.User = url.UserPassword(name, name)
	conn, err := nats.Connect(u.String(), nats.CustomInboxPrefix("_INBOX_regrant_"+name),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // LastError says it
	must(t, err)
	t.Cleanup(conn.Close)
	return user{conn, name}
}

// publishes says whether the server takes a message.
func (u user) publishes(t *testing.T, subject string) bool {
	t.Helper()
	must(t, u.Publish(subject, []byte(u.name+" "+subject)))
	return u.permitted(t, subject)
}

func (u user) listens(t *testing.T, subject string) bool {
	t.Helper()
	sub, err := u.SubscribeSync(subject)
	must(t, err)
	defer func() { _ = sub.Unsubscribe() }()
	return u.permitted(t, subject)
}

// permitted waits for the server's word: a refusal comes before the answer to a flush,
// and is known then.
func (u user) permitted(t *testing.T, subject string) bool {
	t.Helper()
	must(t, u.Flush())
	err := u.LastError()
	return !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), strconv.Quote(subject))
}

// spy hears all that comes into the cell's account.
type spy struct {
	user
	all *nats.Subscription
}

func listen(t *testing.T, server string) spy {
	t.Helper()
	u := login(t, server, "spy")
	all, err := u.SubscribeSync(">")
	must(t, err)
	must(t, u.Flush())
	return spy{u, all}
}

// arrived says whether what a user published before has come. The flush of both
// connections has put it into the spy's hands, if at all.
func (s spy) arrived(t *testing.T, name, subject string) bool {
	t.Helper()
	must(t, s.Flush())
	for {
		m, err := s.all.NextMsg(1)
		if err != nil {
			return false
		}
		if string(m.Data) == name+" "+subject {
			return true
		}
	}
}
