package crash_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// redirectURI is where the provider sends browsers.
const redirectURI = "https://shop.example.com/callback"

// comeback is a user who is back from the provider.
type comeback struct {
	link   events.Address // that the consent was begun for
	key    string         // of the flow's record
	family string         // of the grant that the code begins
	input  events.ReconsentCompleted
}

// user is whom the n-th imported link belongs to.
func user(n int) string { return fmt.Sprintf("user-%d", n) }

// replaces and holds are what is done where another login comes back. The replay
// rule is that of refresh tokens; a code has none.
func replaces() rule { return forbidden }

func holds() rule {
	r := forbidden
	r.policy = providers.PolicyHold
	return r
}

// authorize begins a consent of a user, for a link or with none for a new one, and
// lets a login agree to it.
func (c *cell) authorize(user, link, sub string) comeback {
	c.t.Helper()
	begun := c.begin(api.ConsentBegin{Provider: provider, Link: link, User: user, RedirectURI: redirectURI})
	back, err := c.Sim.Consent(begun.AuthorizeURL, sub)
	if err != nil {
		c.t.Fatal(err)
	}
	c.states = append(c.states, back.State)
	family, _ := c.Sim.FamilyOf(back.Code)
	a := events.Address{Tenant: "default", Provider: provider, Link: begun.Link}
	return comeback{link: a, key: consents.Key(back.State), family: family, input: events.ReconsentCompleted{
		Address: a, State: back.State, Code: events.Code(back.Code), Iss: back.Iss, User: user,
	}}
}

// begin asks the API until a worker answers.
func (c *cell) begin(in api.ConsentBegin) (out api.ConsentBegun) {
	c.t.Helper()
	testenv.Eventually(c.t, patience, "a consent is begun", func() bool {
		ctx, cancel := context.WithTimeout(c.ctx, patience/20)
		defer cancel()
		err := c.Bus.Request(ctx, c.Bus.Names().Subjects().API("default", api.VerbConsentBegin), in, &out)
		refused := new(api.Error)
		if err != nil && (!errors.As(err, &refused) || refused.Code != api.Unavailable) {
			c.t.Fatalf("begin a consent: %v", err)
		}
		return err == nil
	})
	return out
}

// consent lets a login agree to what a user began, and publishes the callback.
func (c *cell) consent(user, link, sub string) comeback {
	c.t.Helper()
	back := c.authorize(user, link, sub)
	c.send(back.input)
	return back
}

// send publishes an input.
func (c *cell) send(d events.Data) {
	c.t.Helper()
	e, err := events.NewInput("//crash/callback", ulid.Make().String(), time.Now(), events.Trace{}, d)
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := c.Bus.Names().Subjects().InputMessage(e)
	if err == nil {
		err = c.Bus.PublishInput(c.ctx, m)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// flow reads a flow's record.
func (c *cell) flow(b comeback) consents.Flow {
	c.t.Helper()
	flows, err := kvstore.NewFlows(c.ctx, c.Bus.JetStream(), c.Bus.Names().Consents())
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := flows.Get(c.ctx, b.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.Flow
}

// codes is how often the provider was shown the code.
func (c *cell) codes(b comeback) int {
	c.t.Helper()
	return len(c.ledger().Presentations(providertest.Filter{Family: b.family, Kind: providertest.KindCode}))
}

// told lists the stored events of a link by name, in the order of their numbers.
func (c *cell) told(a events.Address) (names []events.Name) {
	c.t.Helper()
	c.outputs(func(of events.Address, name events.Name, _ *inbox.Message) error {
		if of == a {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// part is how one of the links that a consent concerns must have ended.
type part struct {
	status     links.Status
	generation uint64
	told       []events.Name
}

// mustBe requires a link to be as a part says. The zero part is no link.
func (c *cell) mustBe(who string, a events.Address, want part) {
	c.t.Helper()
	got, err := c.Link(c.ctx, a)
	switch {
	case want.status == "" && errors.Is(err, links.ErrNotFound):
		return
	case err != nil:
		c.t.Errorf("%s: %v, want %v", who, err, want)
		return
	}
	if is := (part{got.Status, got.Generation, c.told(a)}); is.status != want.status || is.generation != want.generation || !slices.Equal(is.told, want.told) {
		c.t.Errorf("%s is %v, want %v", who, is, want)
	}
}

// ended requires the end of a flow, in which nothing that opens an account is left.
func (c *cell) ended(b comeback, want consents.Status, reasons ...string) {
	c.t.Helper()
	got := c.flow(b)
	if got.Status != want || want == consents.Failed && !slices.Contains(reasons, got.Reason) {
		c.t.Errorf("the flow is %s %s, want %s %v", got.Status, got.Reason, want, reasons)
	}
	if got.Status == consents.Applied && len(got.Secrets)+len(got.Answer)+len(got.Tokens) > 0 {
		c.t.Error("an applied flow keeps its secrets")
	}
}

// TestAConsentWithoutAnyTrouble is what the others are held against.
func TestAConsentWithoutAnyTrouble(t *testing.T) {
	t.Parallel()
	c := newCell(t, start(t), replaces(), fiftieth, 1).withoutReconciler()
	w := c.worker()
	b := c.consent(user(0), c.links[0].Link, c.links[0].Sub)
	c.rest()
	c.ended(b, consents.Applied)
	c.mustBe("the link", b.link, inPlace)
	if n := c.codes(b); n != 1 {
		t.Errorf("the code was presented %d times", n)
	}
	c.promises()
	c.retire(w)
}
