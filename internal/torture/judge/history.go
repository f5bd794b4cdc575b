package judge

import (
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// Presentation is one arrival of a credential at the provider, as its ledger has it.
type Presentation = providertest.Presentation

// Record is what the judge needs of a link's record. Tokens stand in it as fingerprints.
type Record struct {
	events.Address
	Status                      links.Status
	Generation, Consent, Events uint64
	// Outbox are the numbers of the events that the record still holds.
	Outbox []uint64
	// Exchanging: an exchange of a code is open.
	Exchanging bool
	// Refused: a 401 was noted for the current generation. Stopped: refreshing was stopped
	// and its users told.
	Refused, Stopped bool
	// Alarm is when the link's timer is to fire; zero: never. Timer is its number.
	Alarm time.Time
	Timer uint64
	// Subject names the login; Live: the link has it.
	Subject string
	Live    bool
	// Bearer and Refresh name the current token set, Kept the refresh tokens of the
	// answers that were put aside. Sealed says why there is none: it did not open.
	Bearer, Refresh string
	Kept            []string
	Sealed          string
}

// Output is one stored output.
type Output struct {
	events.Address
	Name events.Name
	ID   string
	// Number is the event's own; Generation to Reason are of its data, zero where it has none.
	Number                        uint64
	Generation, Previous, Consent uint64
	Cause                         events.Cause
	Reason                        string
	StoredAt                      time.Time
}

// Input is one confirmed input.
type Input struct {
	events.Address
	Name     events.Name
	Sequence uint64
	StoredAt time.Time
	// Broken: no worker can act on it.
	Broken bool
	// Of a report.
	Generation  uint64
	Fingerprint string
	Reason      events.Reason
	// Of a consent: the key of its flow, and the fingerprint of its code.
	Flow, Code string
	// Replayed: an operator sent it again.
	Replayed bool
}

// Flow is how a consent flow ended.
type Flow struct {
	events.Address // the link that its tokens are given to, once that is ruled
	Final          bool
	Status         string
	Reason         string
}

// Backlog is what a consumer has not settled.
type Backlog struct {
	Consumer string
	Pending  uint64
	Unacked  int
}

// History is everything that was read.
type History struct {
	Sources
	Presentations []Presentation // in order of arrival
	Records       map[events.Address]Record
	Outputs       []Output // in stored order
	Inputs        []Input  // in stored order
	// Letters are the reasons of dead letters, by the sequence of the input they stand for.
	Letters map[uint64]string
	Flows   map[string]Flow
	// Timers are the numbers of the timers that are armed.
	Timers   map[events.Address]uint64
	Backlogs []Backlog
}

// outputsOf sorts outputs by link.
func (h *History) outputsOf() map[events.Address][]Output {
	of := map[events.Address][]Output{}
	for _, o := range h.Outputs {
		of[o.Address] = append(of[o.Address], o)
	}
	return of
}

// linksOf tells the link of each family: as imported, or by the code that began it,
// whose input names the flow, which knows whom it was given to: another login may
// have come back than was asked for.
func (h *History) linksOf() map[string]events.Address {
	of := map[string]events.Address{}
	for family, a := range h.Families {
		of[family] = a
	}
	codes := map[string]events.Address{}
	for _, in := range h.Inputs {
		if in.Code != "" {
			codes[in.Code] = in.Address
			if f, ok := h.Flows[in.Flow]; ok {
				codes[in.Code] = f.Address
			}
		}
	}
	for _, p := range h.Presentations {
		if a, ok := codes[p.Token]; ok && p.Kind == providertest.KindCode && p.Family != "" {
			of[p.Family] = a
		}
	}
	return of
}

// flags says that an output tells users that something is or was in doubt, or that
// the link has ended.
func (o Output) flags() bool {
	switch o.Name {
	case events.NameConsentRequired, events.NameConsentFailed, events.NameLinkRecovered, events.NameLinkQuarantined,
		events.NameTokenRejected, events.NameLinkRevoked, events.NameLinkReplaced, events.NameCredentialsRequired:
		return true
	default:
		return false
	}
}

// serves says that an output announces a generation.
func (o Output) serves() bool {
	return o.Name == events.NameTokenRotated || o.Name == events.NameLinkCreated
}

// flagged says that the link's users know or will be told: nobody takes its current
// generation for sound.
func (r Record) flagged() bool {
	switch r.Status {
	case links.Uncertain, links.ConsentRequired, links.Quarantined, links.Unverified:
		return true
	default:
		return r.Status.Ended() || r.Stopped
	}
}
