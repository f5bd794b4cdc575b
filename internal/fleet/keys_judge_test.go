package fleet_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/seal"
)

// opened are the tokens of all links as the one key that is left opens them. They must
// be what the provider gave last.
func (v *vault) opened() map[string]links.Tokens {
	v.Helper()
	keys, all := v.operator(), map[string]links.Tokens{}
	for _, made := range v.made {
		l, err := v.cell.Link(v.Context(), made.Address)
		must(v.T, err)
		at := seal.Binding{Kind: "tokens", Tenant: l.Tenant, Provider: l.Provider, Link: l.Link, Consent: l.Consent, Generation: l.Generation}
		clear, err := keys.Open(at, l.Sealed)
		if err != nil {
			v.Errorf("link %s generation %d is lost: %v", l.Link, l.Generation, err)
			continue
		}
		tokens, err := links.ParseTokens(clear)
		must(v.T, err)
		family, _ := v.cell.Sim.FamilyOf(tokens.Refresh.Reveal())
		state, _ := v.cell.Sim.Family(made.Family)
		if family != made.Family || uint64(state.Serial) != l.Generation || !v.cell.Sim.Alive(tokens.Access.Reveal()) {
			v.Errorf("link %s generation %d holds tokens of family %q; its own is %+v", l.Link, l.Generation, family, state)
		}
		all[l.Link] = tokens
	}
	return all
}

// judge has every link refreshed once more, under the one key, and compares the
// provider's ledger, the stored events and the records.
func (v *vault) judge(held map[string]links.Tokens) {
	v.Helper()
	before := v.storm.now()
	for _, l := range v.made {
		v.storm.report(v.Context(), l.Link)
	}
	v.eventually("every link is refreshed under the one key", func() bool { return v.storm.advanced(v.made, before) })
	v.settled()
	ledger, err := v.cell.Sim.Ledger()
	must(v.T, err)
	told, generations := v.told(), 0
	for _, made := range v.made {
		l, err := v.cell.Link(v.Context(), made.Address)
		must(v.T, err)
		generations += int(l.Generation) - 1
		v.wantPresented(l, ledger.Presentations(providertest.Filter{Family: made.Family}), held[l.Link])
		v.wantTold(l, told[l.Link])
	}
	if all := ledger.Presentations(providertest.Filter{}); len(all) != generations {
		v.Errorf("%d presentations, and %d generations ended", len(all), generations)
	}
	if n := v.cell.Sim.Revoked(); n > 0 {
		v.Errorf("%d families were revoked", n)
	}
	v.Logf("%d links, %d presentations of as many generations, %v", len(v.made), generations, time.Since(v.began).Round(time.Millisecond))
}

// wantPresented: each generation's refresh token once, and last the one that was found
// under the one key.
func (v *vault) wantPresented(l links.Link, all []providertest.Presentation, held links.Tokens) {
	v.Helper()
	if len(all) != int(l.Generation)-1 || len(all) == 0 {
		v.Errorf("%d presentations of link %s, which is at generation %d", len(all), l.Link, l.Generation)
		return
	}
	for i, p := range all {
		if p.Serial != i+1 || p.Outcome != providertest.OK {
			v.Errorf("presentation %d of link %s was of token %d: %s", i+1, l.Link, p.Serial, p.Outcome)
		}
	}
	if last := all[len(all)-1]; last.Token != held.Refresh.Fingerprint() {
		v.Errorf("link %s held another refresh token than its live one", l.Link)
	}
}

// wantTold: each generation was announced once and in turn, and the record remembers
// the last ones as its events tell them.
func (v *vault) wantTold(l links.Link, told []uint64) {
	v.Helper()
	for i, generation := range told {
		if generation != uint64(i)+2 {
			v.Errorf("link %s announced %v", l.Link, told)
			return
		}
	}
	var kept []uint64
	for _, c := range l.History {
		if c.What == "committed" {
			kept = append(kept, c.Generation)
		}
	}
	if len(told) != int(l.Generation)-1 || len(kept) == 0 || !slices.Equal(kept, told[len(told)-len(kept):]) {
		v.Errorf("link %s is at generation %d, announced %v and remembers %v", l.Link, l.Generation, told, kept)
	}
}

// settled waits until nothing is under way and all of it announced.
func (v *vault) settled() {
	v.Helper()
	names := v.cell.Bus.Names()
	v.eventually("all reports are handled", func() bool {
		c, err := v.cell.Bus.JetStream().Consumer(v.Context(), names.In(), names.WorkerConsumer("op"))
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
	})
	for _, made := range v.made {
		v.eventually(fmt.Sprintf("link %s rests, and all of it is announced", made.Link), func() bool {
			l, err := v.cell.Link(v.Context(), made.Address)
			if err != nil || l.Status != links.Active {
				return false
			}
			last, err := v.cell.Bus.LastOutput(v.Context(), made.Address)
			return err == nil && last == l.EventNumber
		})
	}
}

// told are the generations that were announced, by link. Nothing else may have been
// said of the links.
func (v *vault) told() map[string][]uint64 {
	v.Helper()
	all := map[string][]uint64{}
	must(v.T, v.cell.Bus.Watch(v.Context(), bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		e, err := events.Decode(m.Header, m.Data)
		if err != nil {
			return err
		}
		switch e.Type() {
		case events.NameLinkCreated.Type():
			return nil
		case events.NameTokenRotated.Type():
			d, err := events.As[events.TokenRotated](e)
			all[d.Link] = append(all[d.Link], d.Generation)
			return err
		}
		v.Errorf("%s of link %s was announced", e.Type(), e.Subject())
		return nil
	}))
	return all
}
