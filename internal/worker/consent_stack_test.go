package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// redirectURI is where the callback service would be.
const redirectURI = "http://127.0.0.1:1/callback"

// stack is a cell with one worker, and providers that can be consented at.
type stack struct {
	*fleet.Cell
	flows *kvstore.Flows
}

// consenting is a provider and what is believed of it, but for its addresses.
type consenting struct {
	providertest.Behaviour
	profile func(*providers.Profile, providertest.Endpoints)
}

// newStack starts a cell of two tenants around the providers.
func newStack(t *testing.T, all map[string]consenting) *stack {
	t.Helper()
	o := fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: time.Second, Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{},
	}
	for name, p := range all {
		profile, err := providers.Builtin("generic")
		if err != nil {
			t.Fatal(err)
		}
		profile.Rotation, profile.MinInterval = providers.RotationAlways, 0
		o.Providers[name] = fleet.Provider{Behaviour: p.Behaviour, Profile: profile}
	}
	cell, err := fleet.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, cell.Close) })
	for name, p := range all {
		profile, at := cell.Config.Providers[name], cell.Sim.Endpoints(name)
		profile.AuthorizeURL = at.AuthorizeURL
		p.profile(&profile, at)
		cell.Config.Providers[name] = profile
	}
	cell.Config.Tenants = []string{"default", "other"}
	flows, err := kvstore.NewFlows(t.Context(), cell.Bus.JetStream(), cell.Bus.Names().Consents())
	if err != nil {
		t.Fatal(err)
	}
	start(t, cell, "w", nil)
	return &stack{Cell: cell, flows: flows}
}

// round is one consent to one link, which has tokens already, and the input that
// completes it. Rows of the tables change it before it is sent.
type round struct {
	*stack
	t    *testing.T
	link fleet.Link
	user string
	// key is where the flow is kept; url is what the user's browser opened.
	key, url string
	// address is what the input's subject says, data what the input does.
	address events.Address
	data    map[string]any
}

// begin imports a link, begins a consent to it and lets its user agree: the input
// is ready to be sent. bend changes the authorize URL on its way to the browser.
func (s *stack) begin(t *testing.T, provider string, bend func(url.Values), options ...providertest.ConsentOption) *round {
	t.Helper()
	r := s.standing(t, provider)
	r.consent(r.link.Sub, bend, options...)
	return r
}

// standing is a round whose link has tokens and no consent under way.
func (s *stack) standing(t *testing.T, provider string) *round {
	t.Helper()
	made, err := s.Import(t.Context(), provider, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &round{stack: s, t: t, link: made[0], user: "user-0", address: made[0].Address}
}

// ask asks the API.
func (s *stack) ask(t *testing.T, tenant, verb string, in, out any) error {
	t.Helper()
	return s.Bus.Request(t.Context(), s.Bus.Names().Subjects().API(tenant, verb), in, out)
}

func (r *round) consent(sub string, bend func(url.Values), options ...providertest.ConsentOption) {
	r.t.Helper()
	var begun api.ConsentBegun
	in := api.ConsentBegin{Provider: r.address.Provider, Link: r.link.Link, User: r.user, RedirectURI: redirectURI}
	if err := r.ask(r.t, r.address.Tenant, api.VerbConsentBegin, in, &begun); err != nil {
		r.t.Fatal(err)
	}
	r.address.Link, r.key, r.url = begun.Link, consents.Key(begun.State), bent(r.t, begun.AuthorizeURL, bend)
	back, err := r.Sim.Consent(r.url, sub, options...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.bring(map[string]any{"state": begun.State, "iss": back.Iss})
	if r.data["code"] = back.Code; back.Error != "" {
		delete(r.data, "code")
		r.data["error"] = back.Error
	}
}

// stage hands over tokens for the round's link instead of a code.
func (r *round) stage(change func(*api.Stage)) {
	r.t.Helper()
	g := r.Sim.Issue(r.address.Provider, r.link.Sub)
	in := api.Stage{
		Provider: r.address.Provider, Link: r.link.Link, User: r.user, ExpiresIn: 3600,
		AccessToken: api.Secret(g.AccessToken), RefreshToken: api.Secret(g.RefreshToken), IDToken: api.Secret(g.IDToken),
	}
	if change != nil {
		change(&in)
	}
	var staged api.Staged
	if err := r.ask(r.t, r.address.Tenant, api.VerbStage, in, &staged); err != nil {
		r.t.Fatal(err)
	}
	r.key = consents.Key(staged.Staging)
	r.bring(map[string]any{"staging": staged.Staging})
}

// bring makes data the round's input, with the address in it.
func (r *round) bring(data map[string]any) {
	r.data = data
	r.data["tenant"], r.data["provider"], r.data["link"] = r.address.Tenant, r.address.Provider, r.address.Link
}

func bent(t *testing.T, text string, bend func(url.Values)) string {
	t.Helper()
	if bend == nil {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	bend(query)
	u.RawQuery = query.Encode()
	return u.String()
}

// sent is an input on its way: the id of its event and where it is stored.
type sent struct {
	id       string
	subject  string
	sequence uint64
}

// send publishes the round's input as it is, however bad. Nothing of ours would:
// events.NewInput refuses at its author what is refused here.
func (r *round) send() sent {
	r.t.Helper()
	s := sent{id: ulid.Make().String(), subject: r.Bus.Names().Subjects().In(r.address, events.NameReconsentCompleted)}
	body, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": s.id, "source": "//callback", "type": events.NameReconsentCompleted.Type(),
		"subject": r.address.Link, "data": r.data,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ack, err := r.Bus.JetStream().PublishMsg(r.t.Context(), &nats.Msg{
		Subject: s.subject, Header: nats.Header{events.HeaderContentType: {events.ContentType}}, Data: body,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s.sequence = ack.Sequence
	return s
}

var errFound = errors.New("found")

// await reads what is stored on a subject until see is content.
func (s *stack) await(t *testing.T, what string, spec bus.WatchSpec, see func(*inbox.Message) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	spec.Since = time.Unix(0, 0)
	err := s.Bus.Watch(ctx, spec, func(m *inbox.Message) error {
		if see(m) {
			return errFound
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		t.Fatalf("there is no %s: %v", what, err)
	}
}

// letter is the dead letter that the input became.
func (r *round) letter(s sent) (l bus.DeadLetter) {
	r.t.Helper()
	names := r.Bus.Names()
	spec := bus.WatchSpec{Stream: names.Dead(), Subject: names.Subjects().DeadOf(s.subject)}
	r.await(r.t, "dead letter", spec, func(m *inbox.Message) bool {
		if err := json.Unmarshal(m.Data, &l); err != nil {
			r.t.Fatal(err)
		}
		return l.Sequence == s.sequence
	})
	return l
}

// told is what an output event says of a consent's end.
type told struct {
	name            events.Name
	Reason          string   `json:"reason"`
	AccountsUnknown string   `json:"accounts_unknown"`
	SameCustomer    string   `json:"same_customer"`
	Comparison      string   `json:"comparison"`
	AccountsGained  []string `json:"accounts_gained"`
	AccountsLost    []string `json:"accounts_lost"`
}

// told is the event that the input caused at a link. It must be one by its schema.
func (r *round) told(at events.Address, s sent) (got told) {
	r.t.Helper()
	subjects := r.Bus.Names().Subjects()
	r.await(r.t, "event of this input at its link", bus.WatchSpec{Subject: subjects.OutOf(at)}, func(m *inbox.Message) bool {
		e, err := events.Decode(m.Header, m.Data)
		if err != nil || events.CausedBy(e).CausationID == "" || e.Extensions()["causationid"] != s.id {
			return false
		}
		a, name, err := subjects.ParseOut(m.Subject)
		if err == nil {
			err = events.Check(e, a, name)
		}
		if err == nil {
			err = json.Unmarshal(e.Data(), &got)
		}
		if err != nil {
			r.t.Fatalf("an event that its own schema refuses: %v: %s", err, m.Data)
		}
		got.name = name
		return true
	})
	return got
}

// presented counts the presentations of the code, however often it is in inputs.
func (r *round) presented(code any) int {
	r.t.Helper()
	text, _ := code.(string)
	return len(r.shown(text))
}

func (r *round) shown(code string) (seen []providertest.Presentation) {
	r.t.Helper()
	ledger, err := r.Sim.Ledger()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range ledger.Presentations(providertest.Filter{}) {
		if code != "" && p.Token == events.Fingerprint(code) {
			seen = append(seen, p)
		}
	}
	return seen
}

// flow is the round's flow as it is stored.
func (r *round) flow() consents.Flow {
	r.t.Helper()
	s, err := r.flows.Get(r.t.Context(), r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Flow
}

// untouched fails unless a link's record is what it was, to the byte.
func (r *round) untouched(was links.Link) {
	r.t.Helper()
	if is := link(r.t, r.Cell, was.Address); !reflect.DeepEqual(is, was) {
		r.t.Errorf("the link's record was\n%+v\nand is\n%+v", was, is)
	}
}

// serves fails unless the link serves the same tokens as before, so many consents
// later, and nothing is left open at it.
func (r *round) serves(was links.Link, consents uint64) links.Link {
	r.t.Helper()
	is := link(r.t, r.Cell, was.Address)
	if is.Status != links.Active || is.Exchange != nil || is.Hold != nil {
		r.t.Errorf("the link is %s, exchange %v, hold %v; want active and nothing open", is.Status, is.Exchange, is.Hold)
	}
	if is.Generation != was.Generation+consents || is.Consent != was.Consent+consents {
		r.t.Errorf("generation %d of consent %d, want %d and %d", is.Generation, is.Consent, was.Generation+consents, was.Consent+consents)
	}
	if same := is.Fingerprint == was.Fingerprint; same != (consents == 0) {
		r.t.Errorf("the served bearer is that of before: %t", same)
	}
	return is
}

// refreshes fails unless a report on the link's present token still helps.
func (r *round) refreshes(a events.Address) {
	r.t.Helper()
	is := link(r.t, r.Cell, a)
	m, err := r.Report(events.TokenExpired{Address: a, Generation: is.Generation, Reason: events.ReasonUnauthorized})
	if err == nil {
		err = r.Bus.PublishInput(r.t.Context(), m)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	awaitGeneration(r.t, r.Cell, a, is.Generation+1)
}
