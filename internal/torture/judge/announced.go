package judge

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

const (
	ruleAnnounced = "committed is not announced"
	ruleBackwards = "went backwards"
	ruleOwners    = "two links of one login"
	// dedup is the window of the stream of outputs, within which an event is stored once.
	dedup = 2 * time.Minute
)

// announced holds that the events which a record counts are stored, each, in order,
// and no other; and that their generations are those that were committed.
func announced(h *History) (all []Breach) {
	of := h.outputsOf()
	for a, r := range h.Records {
		all = append(all, r.told(of[a])...)
	}
	for a, outputs := range of {
		if _, ok := h.Records[a]; !ok {
			all = append(all, Breach{ruleAnnounced, fmt.Sprintf("%s has no record and %d events", a, len(outputs))})
		}
		all = append(all, ascends(outputs)...)
	}
	return all
}

func (r Record) told(outputs []Output) (all []Breach) {
	breach := func(format string, args ...any) {
		all = append(all, Breach{ruleAnnounced, r.String() + ": " + fmt.Sprintf(format, args...)})
	}
	stored, served := map[uint64]Output{}, uint64(0)
	for _, o := range outputs {
		if first, again := stored[o.Number]; !again {
			stored[o.Number] = o
		} else if o.ID != first.ID || o.StoredAt.Sub(first.StoredAt) < dedup {
			breach("event %d is stored twice, %v apart", o.Number, o.StoredAt.Sub(first.StoredAt))
		}
		if o.serves() {
			served = max(served, o.Generation)
		}
	}
	for n := uint64(1); n <= r.Events; n++ {
		if _, ok := stored[n]; !ok {
			breach("event %d of %d is not stored", n, r.Events)
		}
	}
	if len(stored) > int(r.Events) {
		breach("%d events are stored, the record counts %d", len(stored), r.Events)
	}
	if served != r.Generation {
		breach("generation %d is announced, %d is committed", served, r.Generation)
	}
	return all
}

// unheard is announced for a fleet whose records count no events.
func unheard(h *History) (all []Breach) {
	of := h.outputsOf()
	for a, r := range h.Records {
		served := uint64(1) // the first was there before the fleet
		for _, o := range of[a] {
			served = max(served, o.Generation)
		}
		if served != r.Generation {
			all = append(all, Breach{ruleAnnounced, fmt.Sprintf("%s: generation %d is announced, %d is saved", a, served, r.Generation)})
		}
	}
	return all
}

// ascends holds that what a link's events say of it only rises, in stored order.
func ascends(outputs []Output) (all []Breach) {
	var last Output
	seen := map[string]bool{}
	for _, o := range outputs {
		if seen[o.ID] {
			continue // stored again beyond the window; told counts it
		}
		seen[o.ID] = true
		if o.Number < last.Number {
			all = append(all, Breach{ruleBackwards, fmt.Sprintf("%s: event %d is stored after %d", o.Address, o.Number, last.Number)})
		}
		last.Number = max(last.Number, o.Number)
		if !o.serves() {
			continue
		}
		if o.Generation != last.Generation+1 || o.Consent < last.Consent {
			all = append(all, Breach{ruleBackwards, fmt.Sprintf("%s: event %d announces generation %d of consent %d after generation %d of consent %d",
				o.Address, o.Number, o.Generation, o.Consent, last.Generation, last.Consent)})
		}
		last.Generation, last.Consent = max(last.Generation, o.Generation), max(last.Consent, o.Consent)
	}
	return all
}

// owners holds that a login is one live link's.
func owners(h *History) (all []Breach) {
	type login struct{ tenant, provider, subject string }
	of := map[login]events.Address{}
	addresses := make([]events.Address, 0, len(h.Records))
	for a := range h.Records {
		addresses = append(addresses, a)
	}
	slices.SortFunc(addresses, func(a, b events.Address) int { return cmp.Compare(a.String(), b.String()) })
	for _, a := range addresses {
		r := h.Records[a]
		if !r.Live || r.Subject == "" {
			continue
		}
		key := login{a.Tenant, a.Provider, r.Subject}
		if other, taken := of[key]; taken {
			all = append(all, Breach{ruleOwners, fmt.Sprintf("%s and %s", other, a)})
		}
		of[key] = a
	}
	return all
}
