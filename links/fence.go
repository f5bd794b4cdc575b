package links

import (
	"slices"
	"time"
)

// Refusal closes a link to rulings of a consent that were given up: whoever was
// stopped on the way to giving it the tokens finds that here (model: overtaken in
// login.pml). A ruling that is made later may still choose the link.
type Refusal struct {
	Consent string    `json:"consent"`
	Ruling  uint64    `json:"ruling"` // this one and all before it
	At      time.Time `json:"at"`
}

// refusalsFor is how long refusals are kept: as long as flows, and no worker is
// stopped for longer than its flow's record lives.
const refusalsFor = 31 * 24 * time.Hour

// Refuses says whether a consent's ruling, by its number, was given up.
func (l Link) Refuses(consent string, ruling uint64) bool {
	return slices.ContainsFunc(l.Refusals, func(r Refusal) bool { return r.Consent == consent && ruling <= r.Ruling })
}

// Refuse closes the link to a consent's ruling, by its number, and to those before
// it. It leaves the link's order alone: an older consent may still take its login.
func (l Link) Refuse(consent string, ruling uint64, now time.Time) Link {
	if l.Refuses(consent, ruling) {
		return l
	}
	l.Refusals = slices.DeleteFunc(slices.Clone(l.Refusals), func(r Refusal) bool {
		return r.Consent == consent || now.Sub(r.At) > refusalsFor
	})
	l.Refusals = append(l.Refusals, Refusal{Consent: consent, Ruling: ruling, At: now})
	return l.rearm()
}
