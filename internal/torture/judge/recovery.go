package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/events"
)

const (
	ruleRecovery = "recovered late"
	// recoverWithin bounds the way from a report to its answer, faults included as soon
	// as they are over.
	recoverWithin = time.Minute
)

// Span is the way of one generation from its first report to what came of it.
type Span struct {
	events.Address
	Generation uint64
	Began      time.Time
	Ended      time.Time
	// Healed is the end of the last fault that stood in the way of all workers, or of
	// one that presented for the link meanwhile; Began where there was none.
	Healed time.Time
	// Kinds of fault that overlapped and might have stood in the way.
	Kinds []string
}

// Recovery is what it took once nothing stood in the way any more.
func (s Span) Recovery() time.Duration { return max(0, s.Ended.Sub(s.Healed)) }

// Whole is what whoever reported saw.
func (s Span) Whole() time.Duration { return s.Ended.Sub(s.Began) }

// recovered holds that a reported generation is answered soon after the last fault.
func recovered(h *History) (all []Breach) {
	for _, s := range spans(h) {
		if s.Recovery() > recoverWithin {
			all = append(all, Breach{ruleRecovery, fmt.Sprintf("%s generation %d: %v after the last fault, %v after its report",
				s.Address, s.Generation, s.Recovery().Round(time.Millisecond), s.Whole().Round(time.Millisecond))})
		}
	}
	return all
}

type generation struct {
	events.Address
	number uint64
}

// spans are those of all generations that were reported while they were current and
// came to an end. One that did not is an event lost.
func spans(h *History) (all []Span) {
	first := firstReports(h.Inputs)
	presented := presentersOf(h)
	for a, outputs := range h.outputsOf() {
		for _, o := range outputs {
			g, ok := o.answers()
			r, reported := first[generation{a, g}]
			began := r.refused
			if o.refreshes() {
				began = r.any
			}
			if !ok || !reported || began.IsZero() || !began.Before(o.StoredAt) {
				continue // a report that comes later is stale
			}
			delete(first, generation{a, g}) // the first answer counts
			s := Span{Address: a, Generation: g, Began: began, Ended: o.StoredAt, Healed: began}
			h.overlap(&s, presented[a])
			all = append(all, s)
		}
	}
	return all
}

// answers is the generation that an output puts an end to, or flags.
func (o Output) answers() (uint64, bool) {
	switch {
	case o.serves():
		return o.Generation - 1, o.Generation > 1
	case o.flags() && o.Name != events.NameConsentFailed && o.Name != events.NameLinkRecovered: // those are about another matter
		return o.Generation, o.Generation > 0
	default:
		return 0, false
	}
}

// refreshes says that it was a refresh that answered. Any other answer may wait until the
// bearer is known to be dead: an outcome that is unknown is no emergency while it lives.
func (o Output) refreshes() bool {
	return o.serves() && o.Cause != events.CauseReconsent && o.Cause != events.CauseImport
}

// reports are the first of a generation: of any reason, and with a 401; zero: none.
type reports struct{ any, refused time.Time }

func firstReports(inputs []Input) map[generation]reports {
	first := map[generation]reports{}
	for _, in := range inputs {
		if in.Name != events.NameTokenExpired || in.Generation == 0 || in.Broken {
			continue
		}
		key := generation{in.Address, in.Generation}
		r := first[key]
		if r.any.IsZero() {
			r.any = in.StoredAt
		}
		if r.refused.IsZero() && in.Reason == events.ReasonUnauthorized {
			r.refused = in.StoredAt
		}
		first[key] = r
	}
	return first
}

// presentersOf sorts presentations by link.
func presentersOf(h *History) map[events.Address][]Presentation {
	link, of := h.linksOf(), map[events.Address][]Presentation{}
	for _, p := range h.Presentations {
		if a, ok := link[p.Family]; ok {
			of[a] = append(of[a], p)
		}
	}
	return of
}

// overlap enters the faults that lie within a span and may have stood in its way.
func (h *History) overlap(s *Span, presented []Presentation) {
	workers := map[string]bool{}
	for _, p := range presented {
		if !p.At.Before(s.Began) && p.At.Before(s.Ended) {
			workers[h.worker(p)] = true
		}
	}
	for _, f := range h.Faults {
		worker, _, _ := strings.Cut(f.Target, "/")
		if strings.HasPrefix(worker, "worker") && !workers[worker] || !f.Begin.Before(s.Ended) || !f.End.After(s.Began) {
			continue
		}
		s.Healed = later(s.Healed, earlier(f.End, s.Ended))
		if !slices.Contains(s.Kinds, f.Kind) {
			s.Kinds = append(s.Kinds, f.Kind)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// quantile is the smallest of sorted durations that a share q does not exceed; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
