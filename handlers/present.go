package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/tracing"
)

// present writes the intent and makes one presentation, of what the attempt says.
// What cannot be had is not intended: tokens are opened, and credentials asked for,
// before.
func (h *Handlers) present(ctx context.Context, j *job, stored links.Stored, a links.Attempt) (inbox.Verdict, bool) {
	tokens, err := h.openTokens(stored.Link)
	if err != nil {
		h.logger(j.addr).Error("the link's tokens do not open with this worker's keys; add the key file that sealed them", "err", err)
		return inbox.Later(h.Budget.Recovery), false
	}
	if v, ok := h.settleOutbox(ctx, j, stored.Link); !ok {
		return v, false
	}
	ad, v, ok := h.admit(ctx, j)
	if !ok {
		return v, false
	}
	defer ad.release()
	request, err := h.request(ctx, stored.Link, a.By(), tokens)
	if m := (*missing)(nil); errors.As(err, &m) {
		return h.withoutCredentials(ctx, j, stored, m)
	}
	if err != nil {
		h.logger(j.addr).Warn("the credentials could not be asked for; trying again", "err", err)
		return inbox.Later(h.Budget.LockRenew), false
	}
	if a.By() != links.GrantRefreshToken {
		j.began = h.Clock() // nothing that is judged by the deadline can be spent
	}
	p := h.Providers[j.addr.Provider]
	a.ID, a.Worker, a.At = ulid.Make().String(), h.Worker, h.Clock().Round(0)
	claim := links.Claim{Attempt: a.ID, Consent: stored.Link.Consent, Generation: stored.Link.Generation}
	// Runs from before the replay window was asked about, or else from the decision:
	// publishing what the outbox still held may have taken any time.
	request.Deadline = j.began.Add(p.DeadlineFor(request.Grant))
	intent, err := h.intend(ctx, j, stored, a, request.Deadline)
	if err != nil {
		return h.notIntended(j, claim, err)
	}
	j.intent, j.ahead = &intent, h.foresee(ctx, j.addr)
	defer j.ahead.end()
	outcome := h.refresh(ctx, j, claim, request)
	if outcome.Class == providers.OK { // saved before anybody hears of it
		defer h.outcome(ctx, j, ad, request, outcome)
	} else {
		h.outcome(ctx, j, ad, request, outcome)
	}
	return h.conclude(ctx, j, claim, outcome)
}

// refresh makes the one presentation. Nothing cuts it short.
func (h *Handlers) refresh(ctx context.Context, j *job, c links.Claim, r providers.Request) providers.Outcome {
	ctx, span := h.Tracer.Call(context.WithoutCancel(ctx), "refresh", j.addr)
	h.Probe.at(StepPresent, Before, j.addr)
	sent := h.Clock()
	outcome := h.Providers[j.addr.Provider].Refresh(ctx, r)
	h.Probe.at(StepPresent, After, j.addr)
	endPresented(span, c, outcome)
	h.observe(j, c, outcome, h.Clock().Sub(sent))
	return outcome
}

// settleOutbox keeps the outbox short: entries that this process does not know
// to be stored are looked up, and published if they are not, before the record
// grows again.
func (h *Handlers) settleOutbox(ctx context.Context, j *job, l links.Link) (inbox.Verdict, bool) {
	if len(l.Outbox) == 0 || h.known.of(l.Address).stored >= l.EventNumber {
		return inbox.Verdict{}, true
	}
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	if err := h.fin.catchUp(ctx, l); err != nil {
		return h.unfinished(j, err), false
	}
	h.known.learn(l.Address, fact{stored: l.EventNumber})
	return inbox.Verdict{}, true
}

// intend makes the attempt durable before its credential is presented. Past the
// attempt's deadline it is pointless: the connection would refuse to write.
func (h *Handlers) intend(ctx context.Context, j *job, stored links.Stored, a links.Attempt, deadline time.Time) (links.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(h.Clock()))
	defer cancel()
	ctx, span := h.Tracer.Start(ctx, "intent", j.addr)
	refused := !j.trigger.Timer && j.trigger.Reason == events.ReasonUnauthorized
	stored, err := h.update(ctx, StepIntent, stored, stored.Link.Begin(a, refused, h.rules[j.addr.Provider]))
	span.End(tracing.Unless(err, "not_written"))
	return stored, err
}

// notIntended: a lost race is decided again. An intent whose fate is unknown was
// certainly not presented, and this process remembers that: should the record
// list it after all, it is cleared and not judged. That goes for a lost race too:
// an intent whose reply was lost, and that was then overtaken, looks like one.
func (h *Handlers) notIntended(j *job, c links.Claim, err error) (inbox.Verdict, bool) {
	h.sights.settle(c.Attempt, links.Unsent, h.Clock())
	if !errors.Is(err, links.ErrConflict) {
		h.debts.owe(debt{addr: j.addr, claim: c})
	}
	return h.notWritten(j, err)
}

func (h *Handlers) observe(j *job, c links.Claim, o providers.Outcome, took time.Duration) {
	presented := h.Metrics.Presentations
	if j.cause == events.CauseReconsent {
		presented = h.Metrics.Codes
	}
	presented.WithLabelValues(j.addr.Provider, o.Class.String()).Inc()
	h.Metrics.Calls.WithLabelValues(j.addr.Provider, o.Class.String()).Observe(took.Seconds())
	log := h.logger(j.addr).With("generation", c.Generation, "attempt", c.Attempt, "class", o.Class.String(),
		"reach", o.Reach.String(), "status", o.Status, "code", o.Code)
	switch o.Class {
	case providers.OK:
		log.Debug("provider answered")
	case providers.OurFault:
		log.Error("the provider refuses our client registration, not the link; check its credentials and URL", "err", o.Err)
	default:
		log.Warn("the presentation did not succeed", "err", o.Err)
	}
}

// conclude acts on the class of an outcome, once. A shutdown does not cut it
// short: what this process alone knows would be lost with it.
func (h *Handlers) conclude(ctx context.Context, j *job, c links.Claim, o providers.Outcome) (inbox.Verdict, bool) {
	if o.Class == providers.OK {
		return h.save(ctx, j, c, o.Answer)
	}
	if o.Answer != nil && !o.Answer.RefreshToken.IsZero() {
		h.keepAside(ctx, j, c, o.Answer) // unusable, and may still have brought the only copy of a live refresh token
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Budget.Recovery)
	defer cancel()
	switch o.Class {
	case providers.NotSent:
		return h.clear(ctx, j, c, time.Time{})
	case providers.Refused:
		return h.clear(ctx, j, c, h.Clock().Add(o.RetryAfter))
	case providers.OurFault:
		return h.clear(ctx, j, c, h.Clock().Add(max(o.RetryAfter, h.untilMended(j.addr))))
	case providers.GrantDead:
		h.sights.settle(c.Attempt, links.Closed, h.Clock())
		return h.dead(ctx, j, c, o)
	default: // ambiguous: the replay rule decides on the record
		h.sights.settle(c.Attempt, links.Closed, h.Clock())
		return inbox.Verdict{}, true
	}
}

// clear takes our own attempt out of the record, and only that one. While the
// store is away it tries again: nobody else knows that the attempt was not made.
func (h *Handlers) clear(ctx context.Context, j *job, c links.Claim, notBefore time.Time) (inbox.Verdict, bool) {
	h.sights.settle(c.Attempt, links.Unsent, h.Clock())
	for {
		was, next, err := h.takeOut(ctx, j.addr, c, notBefore)
		switch {
		case errors.Is(err, errNotListed):
			return inbox.Verdict{}, true
		case err == nil:
			return h.finishWrite(ctx, j, was, next), false
		case errors.Is(err, links.ErrConflict):
			continue
		case ctx.Err() != nil, errors.Is(err, links.ErrNotFound), errors.Is(err, links.ErrRecord):
			h.debts.owe(debt{addr: j.addr, claim: c, notBefore: notBefore})
			return h.notWritten(j, err)
		}
		await(ctx, nil, h.Budget.LockRenew/10)
	}
}

// errNotListed means that an attempt does not stand in its record any more.
var errNotListed = errors.New("attempt is not listed")

// takeOut tries once to take an attempt that was not made out of its record.
func (h *Handlers) takeOut(ctx context.Context, a events.Address, c links.Claim, notBefore time.Time) (was, next links.Link, err error) {
	stored, err := h.Store.Latest(ctx, a)
	if err != nil {
		return was, next, err
	}
	was = stored.Link
	next, cleared := was.Clear(c.Attempt, h.Clock(), notBefore, h.rules[a.Provider], h.Random())
	if !cleared || was.Generation != c.Generation || was.Consent != c.Consent {
		return was, was, errNotListed
	}
	_, err = h.update(ctx, StepClear, stored, next)
	return was, next, err
}

// dead is the provider's word that the grant is dead. It is believed only if it
// still concerns the record, and not while an unused candidate is left.
func (h *Handlers) dead(ctx context.Context, j *job, c links.Claim, o providers.Outcome) (inbox.Verdict, bool) {
	stored, err := h.Store.Latest(ctx, j.addr)
	if err != nil {
		return h.notWritten(j, err)
	}
	if !stored.Link.Judged(c) {
		return inbox.Verdict{}, true
	}
	next, err := h.verdict(ctx, stored.Link, j, c)
	if err != nil {
		return h.notWritten(j, err)
	}
	held := h.held(j.addr)
	switch {
	case next.Status == links.ConsentRequired && (held || stored.Link.Undecided(next)):
		return h.holdVerdict(ctx, j, stored, c)
	case held && next.Generation == stored.Link.Generation:
		next = next.Doubtful()
	}
	if _, err := h.update(ctx, StepVerdict, stored, next); err != nil {
		if errors.Is(err, links.ErrConflict) {
			return h.dead(ctx, j, c, o)
		}
		return h.notWritten(j, err)
	}
	h.report(j, stored.Link, next, links.Decision{Reason: o.Code})
	if next.Generation > stored.Link.Generation {
		return h.finishWrite(ctx, j, stored.Link, next), false
	}
	return h.goOn(ctx, j, stored.Link, next)
}

// holdVerdict leaves a link without a verdict for as long as so many grants die
// that the word of the provider is in doubt.
func (h *Handlers) holdVerdict(ctx context.Context, j *job, stored links.Stored, c links.Claim) (inbox.Verdict, bool) {
	next := stored.Link.HoldVerdict(c.Attempt, links.ReasonGrantDead, h.now(j), h.rules[j.addr.Provider], h.Random())
	if _, err := h.update(ctx, StepVerdict, stored, next); err != nil {
		return h.writtenOrNot(j, err)
	}
	h.logger(j.addr).Warn("the provider calls the link's grant dead, as so many others; the verdict is held", "until", next.Due)
	return h.finishWrite(ctx, j, stored.Link, next), false
}

// verdict is the record after the grant is dead: the candidate's, the next grant's,
// or the user's turn.
func (h *Handlers) verdict(ctx context.Context, l links.Link, j *job, c links.Claim) (links.Link, error) {
	next, ok, err := h.promote(ctx, l, j, anyGeneration)
	if ok || err != nil {
		return next, err
	}
	return next.Dead(c.Attempt, links.ReasonGrantDead, h.origin(j.trace), h.now(j), h.rules[l.Provider]), nil
}

// anyGeneration lets promote take a candidate of any generation of this consent:
// whatever the provider may remember is worth a try once the grant is dead.
const anyGeneration = 0

// promote makes the answer kept from another presentation the next generation,
// if there is one and it is as good as any other answer: it is verified like one.
// One that is not is dropped from the record that is returned.
func (h *Handlers) promote(ctx context.Context, l links.Link, j *job, generation uint64) (links.Link, bool, error) {
	kept, ok := l.KeptOf(links.KeptCandidate)
	if !ok || kept.Consent != l.Consent || (generation != anyGeneration && kept.Generation != generation) {
		return l, false, nil
	}
	answer, err := h.openAnswer(l.Address, kept.Consent, kept.Generation, kept.Sealed)
	if err != nil {
		return l, false, err
	}
	old, err := h.openTokens(l)
	if err != nil {
		return l, false, forGood(err)
	}
	verified, err := h.verify(ctx, l, old, answer)
	if errors.Is(err, providers.ErrHostile) {
		h.logger(l.Address).Error("a kept answer names another login or is forged; it is dropped", "attempt", kept.Attempt, "err", err)
		return l.Drop(links.KeptCandidate), false, nil
	}
	if err != nil {
		return l, false, err
	}
	grant, err := h.grant(l, old, answer, verified)
	if err != nil {
		return l, false, err
	}
	h.logger(l.Address).Warn("the answer kept from another presentation takes the place of the current grant", "attempt", kept.Attempt)
	return l.Promote(kept, grant, h.origin(j.trace), h.Clock(), h.rules[l.Provider], h.Random()), true, nil
}
