package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// begin opens the exchange in the link's record and presents the code.
func (h *Handlers) begin(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	f := s.Flow
	if j.callback == nil {
		return h.abandoned(ctx, j, f)
	}
	if v, ok := h.open(ctx, j, f); !ok {
		return v, false
	}
	if j.callback.refused != "" {
		f.Code, f.Event = j.callback.hash, j.callback.event
		return h.fail(ctx, j, consents.Stored{Flow: f, Revision: s.Revision}, j.callback.refused)
	}
	return h.exchange(ctx, j, s)
}

// abandoned closes an exchange that was opened and not begun: its worker died in
// between. The input, if there still is one, opens it again.
func (h *Handlers) abandoned(ctx context.Context, j *flowJob, f consents.Flow) (inbox.Verdict, bool) {
	if sight := h.sights.see(f.ID, h.Clock(), 1); sight.Standing == links.Watched {
		return inbox.Later(max(min(sight.Rest, h.Budget.LockRenew/2), time.Millisecond)), false
	}
	return h.finishChange(ctx, j, f.Address, StepDepart, func(l links.Link) (links.Link, error) { return l.Close(f.Key), nil }), false
}

// errBusy means that another flow's exchange is open for the link.
var errBusy = errors.New("another consent to this link is being exchanged")

// open writes the exchange's intent. A new link's record is made by it: whatever
// becomes of the flow, its events have a place. A flow that has moved on since it was
// read is left alone: nobody would close again what is opened for one that is held.
func (h *Handlers) open(ctx context.Context, j *flowJob, f consents.Flow) (inbox.Verdict, bool) {
	_, err := h.change(ctx, f.Address, StepOpen, func(l links.Link) (links.Link, error) {
		if l.Exchanging(f.Key) {
			return l, nil
		}
		if err := h.stillAt(ctx, f); err != nil {
			return l, err
		}
		return h.opened(l, f)
	})
	if errors.Is(err, links.ErrNotFound) && f.New {
		err = h.await(ctx, f)
	}
	switch {
	case err == nil:
		return inbox.Verdict{}, true
	case errors.Is(err, links.ErrNotFound):
		return inbox.Dead("unknown_link", "link"), false
	case errors.Is(err, errBusy):
		return inbox.Later(h.Budget.LockRenew), false
	default:
		v, again := h.flowNotWritten(j, err)
		if again {
			v = inbox.Later(h.Budget.LockRenew / 10)
		}
		return v, false
	}
}

// stillAt returns links.ErrConflict if a flow is not in the state any more in which it was
// read. Whoever moved it on had written its exchange into the link before: so a link
// that was read before the flow is, and does not have it, is not written either.
func (h *Handlers) stillAt(ctx context.Context, f consents.Flow) error {
	s, err := h.Flows.Get(ctx, f.Key)
	if errors.Is(err, links.ErrNotFound) || err == nil && s.Flow.Status != f.Status {
		return links.ErrConflict
	}
	return err
}

// opened is a link's record with the flow's exchange open in it.
func (h *Handlers) opened(l links.Link, f consents.Flow) (links.Link, error) {
	next, ok := l.Open(links.Exchange{Flow: f.Key, ID: f.ID, Worker: h.Worker, At: h.Clock().UTC().Round(0)})
	if !ok {
		return l, errBusy
	}
	return next, nil
}

// await makes the record of a new link.
func (h *Handlers) await(ctx context.Context, f consents.Flow) error {
	l, err := h.opened(h.awaited(f.Address, f, f.Nickname), f)
	if err != nil {
		return err
	}
	return h.create(ctx, StepOpen, l)
}

// awaited is the record of a link that a flow is to give its first tokens to.
func (h *Handlers) awaited(a events.Address, f consents.Flow, nickname string) links.Link {
	return links.Await(a, f.User, nickname, h.Providers[f.Provider].Profile().ClientID)
}

// create makes a link's record and its user's index entry, the latter first: what
// is indexed and does not exist is passed over, what exists must be found.
func (h *Handlers) create(ctx context.Context, step Step, l links.Link) error {
	if err := h.Index.AddUser(ctx, h.Keys.User(l.Tenant, l.User), l.Address); err != nil {
		return err
	}
	err := h.Probe.around(step, l.Address, func() error {
		_, err := h.Store.Create(ctx, l)
		return err
	})
	if errors.Is(err, links.ErrExists) {
		return links.ErrConflict
	}
	return err
}

// exchange makes the one presentation of the code durable, then makes it.
func (h *Handlers) exchange(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	secrets, err := h.openFlowSecrets(s.Flow)
	if err != nil {
		h.logger(j.addr).Error("a consent flow does not open with this worker's keys; add the key file that sealed it", "flow", s.Flow.ID, "err", err)
		return inbox.Later(h.Budget.Recovery), false
	}
	p := h.Providers[j.addr.Provider]
	attempt, deadline := ulid.Make().String(), h.Clock().Add(p.CodeDeadline())
	next, ok := s.Flow.Present(attempt, j.callback.hash, j.callback.event)
	if !ok {
		return inbox.Verdict{}, true
	}
	if err := h.mark(ctx, s, next, deadline); err != nil {
		// Certainly not presented: should the record say so after all, it is taken back.
		h.sights.settle(attempt, links.Unsent, h.Clock())
		return h.flowNotWritten(j, err)
	}
	outcome := h.show(ctx, j, attempt, providers.CodeRequest{
		Code: j.callback.code, Verifier: secrets.Verifier, RedirectURI: s.Flow.RedirectURI, Deadline: deadline,
	})
	return h.concludeExchange(ctx, j, next, outcome)
}

// show makes the one presentation of a code. Nothing cuts it short.
func (h *Handlers) show(ctx context.Context, j *flowJob, attempt string, r providers.CodeRequest) providers.Outcome {
	ctx, span := h.Tracer.Call(context.WithoutCancel(ctx), "exchange", j.addr)
	h.Probe.at(StepPresent, Before, j.addr)
	sent, c := h.Clock(), links.Claim{Attempt: attempt}
	outcome := h.Providers[j.addr.Provider].Exchange(ctx, r)
	h.Probe.at(StepPresent, After, j.addr)
	endPresented(span, c, outcome)
	h.observe(j.job, c, outcome, h.Clock().Sub(sent))
	return outcome
}

func (h *Handlers) mark(ctx context.Context, s consents.Stored, next consents.Flow, deadline time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(h.Clock()))
	defer cancel()
	return h.updateFlow(ctx, StepMark, s, next)
}

// concludeExchange acts on the class of the outcome, once. Whatever was sent is
// spent, also where the provider says that it did not look: a code is never shown
// twice.
func (h *Handlers) concludeExchange(ctx context.Context, j *flowJob, f consents.Flow, o providers.Outcome) (inbox.Verdict, bool) {
	if o.Class == providers.OK {
		return h.saveExchange(ctx, j, f, o.Answer)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Budget.Recovery)
	defer cancel()
	standing := links.Closed
	if o.Class == providers.NotSent {
		standing = links.Unsent
	}
	h.sights.settle(f.Attempt, standing, h.Clock())
	s, err := h.Flows.Get(ctx, f.Key)
	switch {
	case err != nil:
		return h.flowNotWritten(j, err)
	case s.Flow.Attempt != f.Attempt:
		return inbox.Verdict{}, true
	case o.Class == providers.NotSent:
		return h.takeBack(ctx, j, s, h.Budget.LockRenew)
	default:
		return h.fail(ctx, j, s, refusedCode(o.Class))
	}
}

// refusedCode says why a presentation that was not answered with tokens ended its
// flow.
func refusedCode(c providers.Class) string {
	switch c {
	case providers.GrantDead:
		return consents.ReasonCodeRejected
	case providers.Refused:
		return consents.ReasonRefused
	case providers.OurFault:
		return consents.ReasonOurFault
	default:
		return consents.ReasonOutcomeUnknown
	}
}

// takeBack makes a flow whose code was certainly not taken pending again.
func (h *Handlers) takeBack(ctx context.Context, j *flowJob, s consents.Stored, after time.Duration) (inbox.Verdict, bool) {
	next, ok := s.Flow.TakeBack(s.Flow.Attempt)
	if !ok {
		return inbox.Verdict{}, true
	}
	if err := h.updateFlow(ctx, StepFail, s, next); err != nil {
		return h.flowNotWritten(j, err)
	}
	if j.callback == nil {
		return inbox.Verdict{}, true
	}
	return inbox.Later(after), false
}

// saveExchange is where an answer stops being lost with this process.
func (h *Handlers) saveExchange(ctx context.Context, j *flowJob, f consents.Flow, answer *providers.Answer) (inbox.Verdict, bool) {
	s := saved{Address: f.Address, Attempt: f.Attempt, Flow: f.Key, FlowID: f.ID, Cause: events.CauseReconsent, Trace: j.trace, answer: answer}
	if err := h.keepSafe(ctx, s); err != nil {
		return h.unfinished(j.job, err), false
	}
	h.observeLatency(j.job)
	h.Probe.at(StepAck, Before, j.addr)
	return inbox.Done(), false
}

// settleExchange brings a saved answer into its flow and the flow to its end. It
// is what settle is to a refresh, for the worker that exchanged the code as well as
// for the one that adopts the answer.
func (h *Handlers) settleExchange(ctx context.Context, s saved) error {
	if err := h.answer(ctx, s); err != nil {
		return err
	}
	j := &flowJob{key: s.Flow, job: &job{addr: s.Address, trace: s.Trace, cause: s.Cause, trigger: links.Trigger{Timer: true}, locked: true}}
	if v := h.turnsOfFlow(ctx, j); v.Kind != inbox.KindDone {
		return errors.New("the consent is not applied yet")
	}
	return h.Probe.around(StepUnspool, s.Address, func() error { return h.Spool.Remove(s.Attempt) })
}

// answer puts the saved answer into the flow's record, and does not let go of it
// when the store is away for a moment: nobody else knows of it, and the others'
// patience with the flow ends.
func (h *Handlers) answer(ctx context.Context, s saved) error {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	for {
		err := h.tryAnswer(ctx, s)
		if err == nil || errors.Is(err, errForGood) || errors.Is(err, errBusy) || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, links.ErrConflict) {
			h.logger(s.Address).Warn("an answer is not in its consent flow yet; trying again", "attempt", s.Attempt, "err", err)
			await(ctx, nil, h.Budget.LockRenew/10)
		}
	}
}

// tryAnswer writes once. An answer that comes after the flow was given up opens the
// link's exchange again first: from then on whoever finds the link open goes on
// with it. And once more when it is written, for whoever read the flow as failed may
// have closed it in between.
func (h *Handlers) tryAnswer(ctx context.Context, s saved) error {
	is, err := h.Flows.Get(ctx, s.Flow)
	if errors.Is(err, links.ErrNotFound) {
		return errors.Join(errForGood, err)
	}
	if err != nil {
		return err
	}
	next, ok := is.Flow.Answered(s.Attempt, s.Sealed)
	late := next.Late && next.Status == consents.Exchanged
	if ok && late {
		err = h.reopen(ctx, next)
	}
	if ok && err == nil { // else it is there already, or of no use any more
		err = h.updateFlow(ctx, StepAnswer, is, next)
	}
	if err == nil && late {
		err = h.reopen(ctx, next)
	}
	return err
}

// reopen opens the exchange, or says that it is open: by a write in either case, so
// that who is about to close it reads again.
func (h *Handlers) reopen(ctx context.Context, f consents.Flow) error {
	_, err := h.change(ctx, f.Address, StepOpen, func(l links.Link) (links.Link, error) { return h.opened(l, f) })
	return err
}
