package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
)

// reply is what a writer hears of a write that took place: that it did, nothing,
// or, where somebody else's is over it before the answer comes, that nobody can tell.
func (c *cell) reply(ctx context.Context, overtaken func() bool) error {
	switch {
	case c.fault("reply is lost"), ctx.Err() != nil:
		return links.ErrUnknown
	case !c.fault("reply is late"):
		return nil
	}
	c.yield(taskOf(ctx), "reply")
	switch {
	case ctx.Err() != nil:
		return links.ErrUnknown
	case overtaken():
		return links.ErrConflict
	}
	return nil
}

// linkBook is a store of links and their index that looks at every write.
type linkBook struct {
	*memstore.Store
	c      *cell
	is     map[events.Address]links.Stored // as written last
	older  map[events.Address]links.Stored
	made   []events.Address // in the order in which they were
	writes int
	// settled are the attempts whose answer a record took in, in any way.
	settled map[string]bool
	// logouts are the orders of those that took place.
	logouts map[events.Address][]links.Link
	// indexed are the links of all users, in the order in which they were listed first.
	indexed []events.Address
}

func newLinkBook(c *cell) *linkBook {
	return &linkBook{Store: memstore.New(c.server.now), c: c, is: map[events.Address]links.Stored{}, older: map[events.Address]links.Stored{}, settled: map[string]bool{}, logouts: map[events.Address][]links.Link{}}
}

func (s *linkBook) Get(ctx context.Context, a events.Address) (links.Stored, error) {
	s.c.yield(taskOf(ctx), "get")
	if older, ok := s.older[a]; ok && older.Revision > 0 && s.c.fault("stale read") {
		return older, nil
	}
	return s.Store.Get(ctx, a)
}

func (s *linkBook) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	s.c.yield(taskOf(ctx), "latest")
	if s.c.fault("link is not read") {
		return links.Stored{}, errAway
	}
	return s.Store.Latest(ctx, a)
}

func (s *linkBook) Create(ctx context.Context, l links.Link) (uint64, error) {
	s.c.yield(taskOf(ctx), "create")
	if s.c.fault("link is not written") {
		return 0, links.ErrUnknown
	}
	n, err := s.Store.Create(ctx, l)
	if err != nil {
		return n, err
	}
	s.made = append(s.made, l.Address)
	s.look(l, n)
	return n, s.c.reply(ctx, func() bool { return s.revision(l.Address) != n })
}

func (s *linkBook) Update(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	s.c.yield(taskOf(ctx), "update")
	if s.c.fault("link is not written") {
		return 0, links.ErrUnknown
	}
	n, err := s.Store.Update(ctx, l, revision)
	if err != nil {
		return n, err
	}
	s.look(l, n)
	return n, s.c.reply(ctx, func() bool { return s.revision(l.Address) != n })
}

// List shows all links, in the order in which they were made.
func (s *linkBook) List(ctx context.Context, _ events.Address, yield func(links.Stored) bool) error {
	for _, a := range slices.Clone(s.made) {
		l, err := s.Latest(ctx, a)
		if err != nil || !yield(l) {
			return err
		}
	}
	return nil
}

func (s *linkBook) revision(a events.Address) uint64 { return s.is[a].Revision }

// look holds one write against what no write may do.
func (s *linkBook) look(is links.Link, revision uint64) {
	was := s.is[is.Address].Link
	s.older[is.Address] = s.is[is.Address]
	s.is[is.Address] = links.Stored{Link: is, Revision: revision}
	s.writes++
	if is.Generation < was.Generation || is.Generation > was.Generation+1 || is.Consent < was.Consent || is.Consented < was.Consented {
		s.c.t.Errorf("%s: generation %d became %d, consent %d became %d of %d", is.Link, was.Generation, is.Generation, was.Consent, is.Consent, is.Consented)
	}
	if is.ConsentOrder.Before(was.ConsentOrder) {
		s.c.t.Errorf("%s: a consent of %v took the place of one of %v", is.Link, is.ConsentOrder, was.ConsentOrder)
	}
	if was.Exchange != nil && len(is.Attempts) > len(was.Attempts) {
		s.c.t.Errorf("%s: a refresh began while flow %s is exchanged", is.Link, was.Exchange.ID)
	}
	if was.Exchange != nil && is.Awaiting != nil && (was.Awaiting == nil || is.Awaiting.AskedAt != was.Awaiting.AskedAt) {
		s.c.t.Errorf("%s: credentials were asked for while flow %s is exchanged", is.Link, was.Exchange.ID)
	}
	if was.Exchange != nil && is.Exchange != nil && is.Status == links.ConsentRequired && was.Status != is.Status {
		s.c.t.Errorf("%s: the grant was given up while flow %s is exchanged", is.Link, was.Exchange.ID)
	}
	if is.Consent > was.Consent {
		s.c.judgeGiven(was, is)
	}
	for _, c := range is.History {
		s.settled[c.Attempt] = true
	}
	for _, k := range is.Kept {
		s.settled[k.Attempt] = true
	}
	s.c.noneTwice(is)
	// One that ended already may be logged out of again: what is on its way is older.
	if is.Status == links.Revoked && (was.Status != links.Revoked || is.ConsentOrder.After(was.ConsentOrder)) {
		if !was.ConsentOrder.IsZero() && is.ConsentOrder.Equal(was.ConsentOrder) {
			s.c.t.Errorf("%s: logged out by a request that is older than its consent", is.Link)
		}
		if was.Status != links.Revoked {
			s.c.judgeLoggedOut(is)
		}
		s.logouts[is.Address] = append(s.logouts[is.Address], is)
	}
	if is.Generation > was.Generation {
		s.c.op.served(was, is)
	}
	s.oneLives(is)
}

// oneLives: a login has one live link, but for the moment in which a flow goes from
// one to the other.
func (s *linkBook) oneLives(is links.Link) {
	if is.Subject == "" || !is.Live() || s.c.rules.OnDifferentLogin == "" {
		return
	}
	for _, a := range s.made {
		o := s.is[a].Link
		if a != is.Address && o.Live() && o.Provider == is.Provider && o.Subject == is.Subject && !s.c.underWay() {
			s.c.t.Errorf("%s and %s have one login, and no flow is under way", a.Link, is.Link)
		}
	}
}

// underWay says whether the code of a flow was presented that is not at its end.
func (c *cell) underWay() bool {
	return slices.ContainsFunc(slices.Concat(c.trips, c.apart), func(t *trip) bool {
		is := t.flow().Status
		return is == consents.Presented || is == consents.Exchanged
	})
}

func (s *linkBook) Owner(ctx context.Context, tenant, subject string) (links.Owner, error) {
	s.c.yield(taskOf(ctx), "owner")
	if s.c.fault("index is not read") {
		return links.Owner{}, errAway
	}
	return s.Store.Owner(ctx, tenant, subject)
}

// Take: the store's late reply tells a taker only whether it owns the subject still.
func (s *linkBook) Take(ctx context.Context, tenant, subject string, by links.Owner) error {
	s.c.yield(taskOf(ctx), "take")
	if s.c.fault("claim is not written") {
		return links.ErrUnknown
	}
	was, err := s.Store.Owner(context.Background(), tenant, subject)
	if err := errors.Join(err, s.Store.Take(ctx, tenant, subject, by)); err != nil {
		return err
	}
	s.c.judgeClaim(was, by)
	return s.c.reply(ctx, func() bool {
		owner, err := s.Store.Owner(context.Background(), tenant, subject)
		return err != nil || owner.Address != by.Address || !owner.Order.Equal(by.Order)
	})
}

func (s *linkBook) Release(ctx context.Context, tenant, subject string, a events.Address) error {
	s.c.yield(taskOf(ctx), "release")
	if s.c.fault("claim is not released") {
		return links.ErrUnknown
	}
	if err := s.Store.Release(ctx, tenant, subject, a); err != nil {
		return err
	}
	return s.c.reply(ctx, func() bool { return false })
}

func (s *linkBook) AddUser(ctx context.Context, user string, a events.Address) error {
	s.c.yield(taskOf(ctx), "user")
	if s.c.fault("user is not indexed") {
		return links.ErrUnknown
	}
	if !slices.Contains(s.indexed, a) {
		s.indexed = append(s.indexed, a)
	}
	return s.Store.AddUser(ctx, user, a)
}

// OfUser lists a user's links in the same order in every run of a seed.
func (s *linkBook) OfUser(ctx context.Context, tenant, user string) ([]events.Address, error) {
	s.c.yield(taskOf(ctx), "list")
	if s.c.fault("user is not listed") {
		return nil, errAway
	}
	all, err := s.Store.OfUser(ctx, tenant, user)
	slices.SortFunc(all, func(a, b events.Address) int { return slices.Index(s.indexed, a) - slices.Index(s.indexed, b) })
	return all, err
}

// flowBook is a store of flows that looks at every write.
type flowBook struct {
	*memstore.Flows
	c *cell
}

func newFlowBook(c *cell) *flowBook { return &flowBook{memstore.NewFlows(c.server.now), c} }

func (s *flowBook) Get(ctx context.Context, key string) (consents.Stored, error) {
	s.c.yield(taskOf(ctx), "flow")
	if s.c.fault("flow is not read") {
		return consents.Stored{}, errAway
	}
	return s.Flows.Get(ctx, key)
}

func (s *flowBook) Update(ctx context.Context, f consents.Flow, revision uint64) (uint64, error) {
	s.c.yield(taskOf(ctx), "flow-update")
	if s.c.fault("flow is not written") {
		return 0, links.ErrUnknown
	}
	was, err := s.Flows.Get(context.Background(), f.Key)
	if err != nil {
		return 0, err
	}
	n, err := s.Flows.Update(ctx, f, revision)
	if err != nil {
		return n, err
	}
	s.look(was.Flow, f)
	s.c.judgeGivenUp(taskOf(ctx), f)
	return n, s.c.reply(ctx, func() bool {
		is, err := s.Flows.Get(context.Background(), f.Key)
		return err != nil || is.Revision != n
	})
}

// steps are the ways that a flow may go.
var flowSteps = map[consents.Status][]consents.Status{
	consents.Pending:   {consents.Presented, consents.Failed},
	consents.Presented: {consents.Pending, consents.Exchanged, consents.Failed},
	consents.Exchanged: {consents.Exchanged, consents.Applied, consents.Held, consents.Failed},
	consents.Held:      {consents.Exchanged, consents.Failed},
	consents.Failed:    {consents.Exchanged},
}

func (s *flowBook) look(was, is consents.Flow) {
	s.c.judgeDecided(was, is)
	late := was.Status == consents.Failed && was.Reason != consents.ReasonOutcomeUnknown
	if late || !slices.Contains(flowSteps[was.Status], is.Status) {
		s.c.t.Errorf("flow %s: %s (%s) became %s", is.ID, was.Status, was.Reason, is.Status)
	}
	if !was.Order.IsZero() && is.Status != consents.Pending && !is.Order.Equal(was.Order) {
		s.c.t.Errorf("flow %s: its place in the order was %v and is %v", is.ID, was.Order, is.Order)
	}
	kept := len(is.Secrets)+len(is.Answer)+len(is.Tokens) > 0
	if is.Status == consents.Applied && kept {
		s.c.t.Errorf("flow %s is applied and keeps what is sealed", is.ID)
	}
}

// stream keeps the outputs of all links.
type stream struct {
	c   *cell
	of  map[events.Address][]events.Message
	all []events.Message
}

func newStream(c *cell) *stream { return &stream{c: c, of: map[events.Address][]events.Message{}} }

func (s *stream) Publish(ctx context.Context, m events.Message) error {
	s.c.yield(taskOf(ctx), "publish")
	if s.c.fault("event is refused") {
		return errAway
	}
	s.store(m)
	if s.c.fault("event's reply is lost") {
		return errAway
	}
	return nil
}

func (s *stream) store(m events.Message) {
	a, _, err := events.Subjects{}.ParseOut(m.Subject)
	if err != nil {
		s.c.t.Fatal(err)
	}
	if bytes.Contains(m.Data, []byte(canary)) {
		s.c.t.Errorf("a secret was published on %s", m.Subject)
	}
	for _, o := range s.of[a] {
		if o.Header[events.HeaderMsgID][0] == m.Header[events.HeaderMsgID][0] {
			if !bytes.Equal(o.Data, m.Data) {
				s.c.t.Errorf("two events of one id on %s", m.Subject)
			}
			return
		}
	}
	if n := sequence(m); n != len(s.of[a])+1 {
		s.c.t.Errorf("event %d of %s is stored after %d others", n, a.Link, len(s.of[a]))
	}
	s.of[a], s.all = append(s.of[a], m), append(s.all, m)
}

// Last may miss an event that is stored, never name one that is not.
func (s *stream) Last(ctx context.Context, a events.Address) (uint64, error) {
	s.c.yield(taskOf(ctx), "last")
	n := uint64(len(s.of[a]))
	if n > 0 && s.c.fault("stale last") {
		n--
	}
	return n, nil
}

// names are those of a link's stored events, in order.
func (s *stream) names(a events.Address) []string {
	var out []string
	for _, m := range s.of[a] {
		_, name, err := events.Subjects{}.ParseOut(m.Subject)
		if err != nil {
			s.c.t.Fatal(err)
		}
		out = append(out, string(name))
	}
	return out
}

// last decodes a link's newest event of a type.
func last[T events.Data](c *cell, a events.Address) T {
	c.t.Helper()
	for _, m := range slices.Backward(c.out.of[a]) {
		var none T
		if _, name, err := (events.Subjects{}).ParseOut(m.Subject); err != nil || name != none.EventName() {
			continue
		}
		e, err := events.Decode(nil, m.Data)
		data, err2 := events.As[T](e)
		if err := errors.Join(err, err2); err != nil {
			c.t.Fatal(err)
		}
		return data
	}
	var none T
	c.t.Errorf("%s has no event %s, only %q", a.Link, none.EventName(), c.out.names(a))
	return none
}
