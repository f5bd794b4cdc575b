package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

const (
	ruleLost = "token lost"
	ruleDead = "active and dead"
	// reading is how long an answer takes from the provider's decision to the spool's
	// fsync, on a machine that is busy with much else. A worker that dies within it may
	// not have read the answer.
	reading = 2 * time.Second
)

// Loss is a token set that nobody has.
type Loss struct {
	// Presentation is the ledger's number of whatever brought it about.
	Presentation int    `json:"presentation"`
	Link         string `json:"link"`
	// Because names the fault by which the answer was never read; empty: there is none.
	Because string `json:"because"`
	// Flagged: the link's users know.
	Flagged bool `json:"flagged"`
}

// losses follows every token set that the ledger issued.
func losses(h *History) []Loss {
	t := trace(h)
	var all []Loss
	for i, p := range h.Presentations {
		if !issues(p) || h.Rules[p.Provider] == Safe || t.arrived(i) {
			continue
		}
		a := t.link[p.Family]
		all = append(all, Loss{
			Presentation: p.N, Link: a.String(), Because: h.cut(p), Flagged: t.flagged(a, p),
		})
	}
	return all
}

// issues says that an answer carries a refresh token which the client does not have yet.
func issues(p Presentation) bool { return p.Issued != "" && p.Issued != p.Token }

// lost holds that a token set is lost only where its answer was never read, and
// that the link's users know.
func lost(h *History) (all []Breach) {
	for _, l := range losses(h) {
		switch {
		case l.Because == "":
			all = append(all, Breach{ruleLost, fmt.Sprintf("the answer to presentation %d for %s: nothing kept it from being read", l.Presentation, l.Link)})
		case !l.Flagged:
			all = append(all, Breach{ruleLost, fmt.Sprintf("the answer to presentation %d for %s: nobody was told (%s)", l.Presentation, l.Link, l.Because)})
		}
	}
	return all
}

// deadActive holds that no active link has a refresh token that is spent.
func deadActive(h *History) (all []Breach) {
	spent := map[string]Presentation{}
	for _, p := range h.Presentations {
		if p.Outcome == providertest.OK && issues(p) && h.Rules[p.Provider] != Safe {
			spent[p.Token] = p
		}
	}
	for a, r := range h.Records {
		if p, ok := spent[r.Refresh]; ok && r.Status == links.Active && !r.Stopped && r.Refresh != "" {
			all = append(all, Breach{ruleDead, fmt.Sprintf("%s generation %d has the refresh token that presentation %d spent", a, r.Generation, p.N)})
		}
		if r.Sealed != "" {
			all = append(all, Breach{ruleDead, fmt.Sprintf("%s generation %d: %s", a, r.Generation, r.Sealed)})
		}
	}
	return all
}

// tracing is where tokens may have gone.
type tracing struct {
	*History
	link    map[string]events.Address
	held    map[string]bool // refresh tokens of records
	shown   map[string]int  // the last presentation of each credential
	outputs map[events.Address][]Output
}

func trace(h *History) tracing {
	t := tracing{History: h, link: h.linksOf(), held: map[string]bool{}, shown: map[string]int{}, outputs: h.outputsOf()}
	for _, r := range h.Records {
		t.held[r.Refresh] = true
		for _, kept := range r.Kept {
			t.held[kept] = true
		}
	}
	for i, p := range h.Presentations {
		t.shown[p.Token] = i
	}
	return t
}

// arrived says that the token set of presentation i was saved somewhere, or that
// nothing is lost with it.
func (t tracing) arrived(i int) bool {
	p := t.Presentations[i]
	if _, used := t.shown[p.Issued]; used || t.held[p.Issued] {
		return true
	}
	if last := t.shown[p.Token]; last > i && issues(t.Presentations[last]) {
		return true // the repeat brought another set, which is followed in its turn
	}
	return t.served(p)
}

// served says that a generation was announced which came of p: the first after it,
// unless that came of a later presentation for the same link. A consent's is known
// by its flow.
func (t tracing) served(p Presentation) bool {
	if p.Kind == providertest.KindCode {
		return t.completed(p)
	}
	a, ok := t.link[p.Family]
	if !ok {
		return false
	}
	for _, o := range t.outputs[a] {
		if o.StoredAt.After(p.At) && (o.serves() || o.ended()) {
			return o.ended() || o.Cause != events.CauseReconsent && o.Cause != events.CauseImport && !t.between(a, p, o.StoredAt)
		}
	}
	return false
}

// ended: whose grant ends may have been revoked at the provider, and an answer that
// is on its way then is kept by nobody.
func (o Output) ended() bool {
	return o.Name == events.NameLinkRevoked || o.Name == events.NameLinkReplaced
}

// between says that another refresh brought a token set for the link after p, before t.
func (t tracing) between(a events.Address, p Presentation, before time.Time) bool {
	for _, q := range t.Presentations[p.N:] { // N counts from 1: this begins after p
		if q.At.After(before) {
			return false
		}
		if q.Issued != "" && q.Kind != providertest.KindCode && t.link[q.Family] == a {
			return true
		}
	}
	return false
}

// completed says that the consent whose code p showed came to a known end.
func (t tracing) completed(p Presentation) bool {
	for _, in := range t.Inputs {
		if in.Code == p.Token {
			f := t.Flows[in.Flow]
			return f.Final && f.Reason != events.ConsentOutcomeUnknown
		}
	}
	return false
}

// flagged says that after p somebody was told about the link, or will be.
func (t tracing) flagged(a events.Address, p Presentation) bool {
	if r, ok := t.Records[a]; ok && r.flagged() {
		return true
	}
	for _, o := range t.outputs[a] {
		if o.StoredAt.After(p.At) && (o.flags() || o.Cause == events.CauseReconsent) {
			return true
		}
	}
	return false
}

// cut names what kept the answer to p from being read, or is empty.
func (h *History) cut(p Presentation) string {
	if strings.HasPrefix(p.Fault, "after ") && p.Fault != "after delay" {
		return "the provider's " + strings.TrimPrefix(p.Fault, "after ")
	}
	from, until := h.sent(p), p.Settled.Add(reading)
	if p.Settled.IsZero() {
		until = p.At.Add(reading)
	}
	for _, f := range h.Faults { // a delay moves the time at which it is read
		if h.hits(f, p) && slow(f) && f.Begin.Before(until) && f.End.After(from) {
			until = later(until, f.End.Add(reading))
		}
	}
	for _, f := range h.Faults {
		if h.hits(f, p) && !slow(f) && f.Begin.Before(until) && f.End.After(from) {
			return f.Kind
		}
	}
	return ""
}

// sent is when the request may have left its worker. Whatever holds requests back, a
// provider that stands still or a way on which nothing moves, delivers them when it is
// over, from callers that have given up or gone meanwhile.
func (h *History) sent(p Presentation) time.Time {
	at := p.At
	for _, f := range h.Faults {
		if h.holds(f, p) && f.Begin.Before(p.At) && f.End.Add(reading).After(p.At) {
			at = earlier(at, f.Begin.Add(-reading))
		}
	}
	return at
}

func (h *History) holds(f Fault, p Presentation) bool {
	w, way := strings.CutSuffix(f.Target, "/provider")
	return f.Target == "provider" && strings.Contains(f.Kind, "pause") ||
		way && w == h.worker(p) && (slow(f) || strings.Contains(f.Kind, "partition"))
}

// slow says that a fault delays and cuts nothing. A clock that is set is none: its worker is
// killed for it.
func slow(f Fault) bool {
	return strings.Contains(f.Kind, "delay") || strings.Contains(f.Kind, "slow")
}

// hits says that a fault stood in the way between a worker and its provider's answer.
func (h *History) hits(f Fault, p Presentation) bool {
	w := h.worker(p)
	return f.Target == w || f.Target == w+"/provider" || f.Target == "provider" || f.Target == "provider/"+p.Provider
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
