package judge

import (
	"cmp"
	"fmt"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

const (
	ruleInput   = "event lost"
	ruleSettled = "left open"
)

// answered holds that every confirmed input came to something.
func answered(h *History) (all []Breach) {
	of, buried := h.outputsOf(), h.buried()
	for _, in := range h.Inputs {
		if _, dead := h.Letters[in.Sequence]; dead || buried[in.duty()] {
			continue
		}
		if why := h.unanswered(in, of[in.Address]); why != "" {
			all = append(all, Breach{ruleInput, fmt.Sprintf("%s number %d for %s: %s", in.Name, in.Sequence, in.Address, why)})
		}
	}
	return all
}

// duty is what reports have in common that one flight answers together; the zero duty
// is of what is no report.
type duty struct {
	events.Address
	generation  uint64
	fingerprint string
	reason      events.Reason
}

func (in Input) duty() duty {
	if in.Name != events.NameTokenExpired || in.Generation == 0 && in.Fingerprint == "" {
		return duty{}
	}
	return duty{in.Address, in.Generation, in.Fingerprint, in.Reason}
}

// buried are the reports for one of which there is a dead letter.
func (h *History) buried() map[duty]bool {
	of := map[duty]bool{}
	for _, in := range h.Inputs {
		if _, dead := h.Letters[in.Sequence]; dead && in.duty() != (duty{}) {
			of[in.duty()] = true
		}
	}
	return of
}

// unanswered says why an input came to nothing; empty: it did not.
func (h *History) unanswered(in Input, outputs []Output) string {
	r, known := h.Records[in.Address]
	if in.Broken || !known {
		if in.Generation > 0 && in.Generation < r.Generation {
			return "" // stale by its header, and never opened
		}
		return "no worker can act on it, and no dead letter refers to it"
	}
	switch in.Name {
	case events.NameTokenExpired:
		return r.reported(in)
	case events.NameReconsentCompleted:
		return h.consented(in)
	case events.NameLogoutRequested:
		return r.loggedOut(in, outputs)
	default:
		return ""
	}
}

// reported: the generation is another by now, or its users are told, or a timer has
// the duty. A look at the clock is no proof: what is not due yet is left alone.
func (r Record) reported(in Input) string {
	current := in.Generation == r.Generation || in.Generation == 0 && in.Fingerprint == r.Bearer
	switch {
	case in.Generation > r.Generation:
		return fmt.Sprintf("generation %d is not there yet, and no dead letter says so", in.Generation)
	case !current, r.flagged(), in.Reason != events.ReasonUnauthorized, r.Refused && !r.Alarm.IsZero():
		return ""
	}
	return fmt.Sprintf("generation %d is still the current one, and the link is %s", r.Generation, r.Status)
}

func (h *History) consented(in Input) string {
	if f := h.Flows[in.Flow]; !f.Final {
		return "its flow is " + cmp.Or(f.Status, "unknown")
	}
	return ""
}

// loggedOut: the link ended, or a later consent brought it back.
func (r Record) loggedOut(in Input, outputs []Output) string {
	if r.Status.Ended() || in.Replayed {
		return ""
	}
	for _, o := range outputs {
		if o.Name == events.NameLinkRevoked || o.StoredAt.After(in.StoredAt) && o.Cause == events.CauseReconsent {
			return ""
		}
	}
	return fmt.Sprintf("the link is %s", r.Status)
}

// settled holds that nothing is under way any more.
func settled(h *History) (all []Breach) {
	fired := h.firedAfterwards()
	for _, b := range h.Backlogs {
		if b.Pending > fired[b.Consumer] || b.Unacked > 0 {
			all = append(all, Breach{ruleSettled, fmt.Sprintf("%s has %d pending and %d unacked", b.Consumer, b.Pending, b.Unacked)})
		}
	}
	of := h.outputsOf()
	for a, r := range h.Records {
		if what := r.open(of[a]); what != "" {
			all = append(all, Breach{ruleSettled, a.String() + ": " + what})
		}
		if number, armed := h.Timers[a]; !r.Alarm.IsZero() && (!armed || number < r.Timer) && !h.afterwards(r) {
			all = append(all, Breach{ruleSettled, fmt.Sprintf("%s is due at %s, and its timer %d is not armed", a, r.Alarm.UTC().Format("15:04:05"), r.Timer)})
		}
	}
	return all
}

// judging is longer than the judge reads.
const judging = 5 * time.Minute

// afterwards says that a link's timer came, or comes, when nobody works any more.
func (h *History) afterwards(r Record) bool {
	return !h.Dismissed.IsZero() && r.Alarm.After(h.Dismissed) && r.Alarm.Before(h.Dismissed.Add(judging))
}

// firedAfterwards counts such timers by the consumer that would have been told.
func (h *History) firedAfterwards() map[string]uint64 {
	fired := map[string]uint64{}
	for a, r := range h.Records {
		if h.afterwards(r) {
			fired[bus.Names{Prefix: h.Prefix}.DueConsumer(a.Provider)]++
		}
	}
	return fired
}

func (r Record) open(outputs []Output) string {
	stored := map[uint64]bool{}
	for _, o := range outputs {
		stored[o.Number] = true
	}
	switch {
	case r.Status == links.Refreshing:
		return "still refreshing"
	case r.Exchanging:
		return "an exchange is open"
	}
	for _, n := range r.Outbox { // a confirmed entry leaves with the next write
		if !stored[n] {
			return fmt.Sprintf("event %d waits in the outbox", n)
		}
	}
	return ""
}
