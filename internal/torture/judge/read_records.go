package judge

import (
	"context"
	"fmt"
	"strings"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// records reads every link.
func (r reader) records(ctx context.Context) error {
	n := r.bus.Names()
	store, err := kvstore.New(ctx, r.bus.JetStream(), kvstore.Buckets{Links: n.Links(), Index: n.Index()})
	if err != nil {
		return err
	}
	r.Records = map[events.Address]Record{}
	return store.List(ctx, events.Address{}, func(s links.Stored) bool {
		r.Records[s.Link.Address] = r.record(s.Link)
		return true
	})
}

func (r reader) record(l links.Link) Record {
	is := Record{
		Address: l.Address, Status: l.Status, Generation: l.Generation, Consent: l.Consent, Events: l.EventNumber,
		Exchanging: l.Exchange != nil, Refused: l.Refused, Stopped: l.Stop != nil || l.Awaiting != nil,
		Alarm: l.Alarm(), Timer: l.DueNumber, Subject: l.Subject, Live: l.Live(), Bearer: l.Fingerprint,
	}
	for _, e := range l.Outbox {
		is.Outbox = append(is.Outbox, e.Number)
	}
	if r.Keys != nil && l.Sealed != nil {
		r.unseal(&is, l)
	}
	return is
}

// The kinds of sealed value, as handlers binds them.
const (
	kindTokens = "tokens"
	kindAnswer = "answer"
)

// unseal names the tokens within. A kept answer that does not open holds nothing for
// its link either.
func (r reader) unseal(is *Record, l links.Link) {
	b := seal.Binding{Kind: kindTokens, Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: l.Consent, Generation: l.Generation}
	clear, err := r.Keys.Open(b, l.Sealed)
	if err == nil {
		var tokens links.Tokens
		tokens, err = links.ParseTokens(clear)
		is.Refresh = tokens.Refresh.Fingerprint()
	}
	if err != nil {
		is.Sealed = "its tokens do not open"
	}
	b.Kind = kindAnswer
	for _, k := range l.Kept {
		b.Consent, b.Generation = k.Consent, k.Generation
		if clear, err := r.Keys.Open(b, k.Sealed); err == nil {
			if answer, err := providers.ParseAnswer(clear); err == nil {
				is.Kept = append(is.Kept, answer.RefreshToken.Fingerprint())
			}
		}
	}
}

// flows reads every consent flow.
func (r reader) flows(ctx context.Context) error {
	store, err := kvstore.NewFlows(ctx, r.bus.JetStream(), r.bus.Names().Consents())
	if err != nil {
		return err
	}
	r.Flows = map[string]Flow{}
	return store.List(ctx, func(s consents.Stored) bool {
		f := s.Flow
		final := f.Status == consents.Applied || f.Status == consents.Failed || f.Status == consents.Held
		given := f.Address
		if f.Ruling != nil && f.Ruling.Link != (events.Address{}) {
			given = f.Ruling.Link
		}
		r.Flows[f.Key] = Flow{Address: given, Final: final, Status: string(f.Status), Reason: f.Reason}
		return true
	})
}

// bare reads the records of the lock-only fleet. It flags nothing but dead grants.
func (r reader) bare(ctx context.Context) error {
	store, err := bare.Open(ctx, r.bus.JetStream())
	if err != nil {
		return err
	}
	keys, err := store.Keys(ctx)
	if err != nil {
		return err
	}
	r.Records = map[events.Address]Record{}
	for _, key := range keys {
		words := strings.Split(key, ".")
		if len(words) != 3 {
			return fmt.Errorf("the key %s is no link's", key)
		}
		a := events.Address{Tenant: words[0], Provider: words[1], Link: words[2]}
		is, err := store.Get(ctx, a)
		if err != nil {
			return err
		}
		r.Records[a] = bareRecord(a, is)
	}
	return nil
}

func bareRecord(a events.Address, is bare.Record) Record {
	r := Record{
		Address: a, Status: links.Active, Generation: is.Generation, Live: true,
		Bearer: secret.New(is.Bearer).Fingerprint(), Refresh: secret.New(is.Refresh).Fingerprint(),
	}
	if is.Dead {
		r.Status = links.ConsentRequired
	}
	return r
}
