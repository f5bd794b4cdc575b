package handlers

import (
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// course is what was decided on an input, before anything of it is done: Explain says it
// beforehand, and told afterwards, from the same decisions.
type course struct {
	verdict       api.Verdict
	reason, field string
	// calls: a provider is asked.
	calls bool
}

// Reasons that are not a decision of package links.
const (
	reasonStale = "stale"
	// reasonBusy: the link, its lock or its provider is not to be had now.
	reasonBusy = "busy"
	// reasonCollapsed: another report of this process's carries the duty.
	reasonCollapsed = "collapsed"
)

// decided notes the decision that a job's verdict will rest on.
func (j *job) decided(d links.Decision) {
	if d.Action != links.AskStore {
		j.course = courseOf(d)
	}
}

// courseOf is what a decision on a link comes to. Pure.
func courseOf(d links.Decision) course {
	c := course{verdict: api.Acts, reason: d.Reason}
	switch d.Action {
	case links.Finish:
		c.verdict = api.Nothing
	case links.Wait:
		c.verdict = api.Waits
	case links.Future:
		return refusedCourse(inbox.Dead(d.Reason, "generation"))
	case links.Begin, links.Repeat, links.LogOut:
		c.calls = true
	}
	return c
}

// courseOfFlow is what a consent that came back comes to, by the state of its flow. Pure.
func courseOfFlow(f consents.Flow) course {
	switch f.Status {
	case consents.Pending:
		return course{verdict: api.Acts, reason: "code_is_new", calls: !f.Staged}
	case consents.Presented:
		return course{verdict: api.Waits, reason: "code_under_way"}
	case consents.Exchanged:
		return course{verdict: api.Acts, reason: "consent_not_applied", calls: f.Found == nil}
	default:
		return course{verdict: api.Nothing, reason: "consent_" + string(f.Status)}
	}
}

func refusedCourse(v inbox.Verdict) course {
	return course{verdict: api.Refused, reason: v.Reason, field: v.Field}
}

// told leaves word of what became of a replayed input: its operator compares that with
// what was explained before. Other inputs are not told of: there are too many.
func (h *Handlers) told(a events.Address, m *inbox.Message, c course, v inbox.Verdict) {
	sequence, ok := events.Replays(m.Header)
	if !ok {
		return
	}
	switch {
	case v.Kind == inbox.KindDead:
		c = refusedCourse(v)
	case c == course{} && v.Kind == inbox.KindLater:
		c = course{verdict: api.Waits, reason: reasonBusy}
	case c == course{}:
		c = course{verdict: api.Nothing, reason: h.unread(a, m)}
	}
	h.Metrics.Replayed.WithLabelValues(string(c.verdict)).Inc()
	h.logger(a).Info("replayed input decided", "run", events.Run(m.Header), "replays", sequence,
		"verdict", c.verdict, "reason", c.reason, "field", c.field, "settled", v.Kind != inbox.KindLater)
}

// unread is why a report was settled at a look.
func (h *Handlers) unread(a events.Address, m *inbox.Message) string {
	if generation, ok := events.GenerationOf(m.Header); ok && h.known.of(a).generation > generation {
		return reasonStale
	}
	return reasonCollapsed
}

// replayedFrom is when a replayed input was stored first; zero for any other.
func replayedFrom(m *inbox.Message) time.Time {
	if _, ok := events.Replays(m.Header); !ok {
		return time.Time{}
	}
	return events.FirstStored(m.Header, m.StoredAt)
}
