package consents

import (
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// The reasons for which a flow fails that this package or its callers give;
// others are the provider's words, or those of an answer that was not believed.
const (
	ReasonOutcomeUnknown = events.ConsentOutcomeUnknown
	ReasonCodeRejected   = events.ConsentCodeRejected
	ReasonRefused        = events.ConsentRefused // throttled
	ReasonOurFault       = events.ConsentOurFault
	ReasonNewerConsent   = events.ConsentNewerConsent
	ReasonUnverifiable   = events.ConsentUnverifiable
)

// Present makes the flow's one presentation durable before it is made, and is the
// only way out of Pending for a code. False: there was one already.
func (f Flow) Present(attempt, code, event string) (Flow, bool) {
	if f.Status != Pending {
		return f, false
	}
	f.Status, f.Attempt, f.Code, f.Event = Presented, attempt, code, event
	return f, true
}

// TakeBack undoes Present for an attempt that certainly was not made. Only the
// attempt's own worker knows that.
func (f Flow) TakeBack(attempt string) (Flow, bool) {
	if f.Status != Presented || f.Attempt != attempt {
		return f, false
	}
	f.Status, f.Attempt, f.Order = Pending, "", time.Time{}
	return f, true
}

// Answered puts the sealed answer into the flow. It is legal also after the flow
// was given up because nobody knew the outcome: now it is known.
func (f Flow) Answered(attempt string, sealed []byte) (Flow, bool) {
	given := f.Status == Failed && f.Reason == ReasonOutcomeUnknown
	if f.Attempt != attempt || (f.Status != Presented && !given) {
		return f, false
	}
	f.Status, f.Answer, f.Reason = Exchanged, sealed, ""
	f.Late = f.Late || given
	return f, true
}

// Brought notes which input took a staged flow up.
func (f Flow) Brought(event string) Flow {
	f.Event = event
	return f
}

// Looked replaces the answer by what was found in it.
func (f Flow) Looked(found Found, tokens []byte) Flow {
	f.Found, f.Tokens, f.Answer, f.Secrets = &found, tokens, nil, nil
	return f
}

// Rule writes down what is to be done. Links that an earlier ruling displaced
// stay displaced: its claim may have held, and nobody else would tell them.
func (f Flow) Rule(r Ruling) Flow {
	if f.Ruling != nil {
		for _, d := range f.Ruling.Displaced {
			if !slices.Contains(r.Displaced, d) {
				r.Displaced = append(slices.Clone(r.Displaced), d)
			}
		}
	}
	f.Rulings++
	r.Number = f.Rulings
	f.Ruling = &r
	return f
}

// Wait puts an exchanged flow on hold.
func (f Flow) Wait(until time.Time) Flow {
	f.Status, f.HeldUntil = Held, until
	return f
}

// Approve lets a held flow take its place. What it will take is ruled anew: time
// has passed.
func (f Flow) Approve(event string) (Flow, bool) {
	if f.Status != Held {
		return f, false
	}
	if f.Ruling != nil && f.Ruling.Supersede {
		f.Took = f.Ruling.Displaced
	}
	f.Status, f.Approved, f.Event, f.Ruling = Exchanged, true, event, nil
	return f, true
}

// Apply ends a flow whose links know of it. Nothing secret is left in it.
func (f Flow) Apply() Flow {
	f.Status = Applied
	return f.forget()
}

// Fail ends a flow for a reason. What might still be asked for is kept, sealed: the
// nonce for an answer that may come after all, and tokens that are good and came
// second. False: it has ended already.
func (f Flow) Fail(reason string) (Flow, bool) {
	if f.Status == Applied || f.Status == Failed {
		return f, false
	}
	f.Status, f.Reason = Failed, reason
	switch reason {
	case ReasonOutcomeUnknown, ReasonNewerConsent, ReasonUnverifiable:
		return f, true
	default:
		return f.forget(), true
	}
}

func (f Flow) forget() Flow {
	f.Secrets, f.Answer, f.Tokens = nil, nil, nil
	return f
}
