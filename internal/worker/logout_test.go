package worker_test

import (
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/secret"
)

// R21: a logout revokes the grant at the provider, clears the link, says so once, and
// is idempotent; what is reported of the link later does nothing.
func TestR21LogoutRevokesAndClears(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	l := imported(t, c, 1)[0]
	start(t, c, "a", nil)
	for range 3 {
		logout(t, c, l.Address, events.LogoutLink)
	}
	awaitRevoked(t, c, l.Address)
	report(t, c, l)
	awaitSettled(t, c)

	got := link(t, c, l.Address)
	if got.Status != links.Revoked || len(got.Sealed) > 0 || got.EventNumber != 2 {
		t.Errorf("%s with %d sealed bytes after %d events, want revoked, none, 2", got.Status, len(got.Sealed), got.EventNumber)
	}
	if f, ok := c.Sim.Family(l.Family); !ok || !f.Killed {
		t.Errorf("the grant lives on at its provider: %+v", f)
	}
	if n := presentations(t, c); n != 0 {
		t.Errorf("%d presentations after the logout", n)
	}
}

// The user's other links get an input of their own; another user's link goes on.
func TestR21LogoutOfAUser(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	mine := []fleet.Link{importFor(t, c, "u"), importFor(t, c, "u"), importFor(t, c, "u")}
	other := importFor(t, c, "another")
	start(t, c, "a", nil)
	logout(t, c, mine[1].Address, events.LogoutUser)
	for _, l := range mine {
		awaitRevoked(t, c, l.Address)
	}
	if got := link(t, c, other.Address); got.Status != links.Active {
		t.Errorf("another user's link is %s", got.Status)
	}
}

// A provider that is down keeps nobody logged in here.
func TestR21LogoutWhileTheProviderIsDown(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	l := imported(t, c, 1)[0]
	if err := c.Sim.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, c, "a", nil)
	logout(t, c, l.Address, events.LogoutLink)
	awaitRevoked(t, c, l.Address)
}

func logout(t *testing.T, c *fleet.Cell, a events.Address, scope events.LogoutScope) {
	t.Helper()
	e, err := events.NewInput("//app", ulid.Make().String(), time.Now(), events.Trace{}, events.LogoutRequested{Address: a, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Bus.Names().Subjects().InputMessage(e)
	if err == nil {
		err = c.Bus.PublishInput(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func awaitRevoked(t *testing.T, c *fleet.Cell, a events.Address) {
	t.Helper()
	testenv.Eventually(t, limit, "link "+a.String()+" is revoked", func() bool {
		l, err := c.Link(t.Context(), a)
		return err == nil && l.Status == links.Revoked
	})
}

// awaitSettled waits until no input is left.
func awaitSettled(t *testing.T, c *fleet.Cell) {
	t.Helper()
	testenv.Eventually(t, limit, "every input is settled", func() bool {
		of, err := c.Bus.JetStream().Consumer(t.Context(), c.Bus.Names().In(), c.Bus.Names().WorkerConsumer("op"))
		return err == nil && of.CachedInfo().NumPending == 0 && of.CachedInfo().NumAckPending == 0
	})
}

func importFor(t *testing.T, c *fleet.Cell, user string) fleet.Link {
	t.Helper()
	sub := ulid.Make().String()
	l := fleet.Link{Address: events.Address{Tenant: "default", Provider: "op", Link: ulid.Make().String()}, Grant: c.Sim.Issue("op", sub)}
	err := worker.Importer(c.Config, c.Bus, c.Store, c.Keys, time.Now).Import(t.Context(), handlers.ImportLine{
		Address: l.Address, User: user, Sub: sub, Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ExpiresAt: l.ExpiresAt,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
