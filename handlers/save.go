package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/tracing"
)

// saved is an answer in the spool: who it belongs to in the clear, what it says
// sealed. It is put under the name of the attempt.
type saved struct {
	events.Address
	Attempt    string       `json:"attempt"`
	Consent    uint64       `json:"consent"`
	Generation uint64       `json:"generation"`
	Cause      events.Cause `json:"cause"`
	Trace      events.Trace `json:"trace"`
	Sealed     []byte       `json:"sealed"`
	// Aside: not a complete token set; a candidate whatever the record says.
	Aside bool `json:"aside,omitzero"`
	// Flow is the key of the consent flow whose code was answered, FlowID its id; the
	// answer to a refresh has neither.
	Flow   string `json:"flow,omitzero"`
	FlowID string `json:"flow_id,omitzero"`

	answer *providers.Answer
	// recent is the record as the intent left it, when that was just written: the
	// first try needs no read. Nobody has touched it unless the write says so.
	recent *links.Stored
	// ahead, if set, is what is armed for the link.
	ahead *foresight
}

func (s saved) claim() links.Claim {
	return links.Claim{Attempt: s.Attempt, Consent: s.Consent, Generation: s.Generation}
}

// save is where an answer stops being lost with this process: sealed and fsynced
// on this disk before anything else is done with it.
func (h *Handlers) save(ctx context.Context, j *job, c links.Claim, answer *providers.Answer) (inbox.Verdict, bool) {
	s := saved{Address: j.addr, Attempt: c.Attempt, Consent: c.Consent, Generation: c.Generation, Cause: j.cause, Trace: j.trace, answer: answer, recent: j.intent, ahead: j.ahead}
	if err := h.keepSafe(ctx, s); err != nil {
		return h.unfinished(j, err), false
	}
	h.observeLatency(j)
	h.Probe.at(StepAck, Before, j.addr)
	return inbox.Done(), false
}

// observeLatency counts from when the input was stored; of what had none, there is nothing
// to count from.
func (h *Handlers) observeLatency(j *job) {
	if !j.storedAt.IsZero() {
		h.Metrics.Latency.WithLabelValues(j.addr.Provider).Observe(h.Clock().Sub(j.storedAt).Seconds())
	}
}

// keepSafe spools an answer and settles it. What is not finished then is left to
// the spool. Should the disk refuse, the commit is the only save: then this process
// tries both in turn, until one holds or ctx, which is the handler's, ends.
func (h *Handlers) keepSafe(ctx context.Context, s saved) error {
	spooled := h.spoolOrSay(&s)
	for {
		err := h.settle(context.WithoutCancel(ctx), s)
		if err == nil {
			return nil
		}
		spooled = spooled || h.spoolOrSay(&s)
		if spooled || ctx.Err() != nil || errors.Is(err, errForGood) {
			h.Spool.Release(s.Attempt)
			return err
		}
		s.recent = nil
		await(ctx, nil, h.Budget.LockRenew)
	}
}

func (h *Handlers) spoolOrSay(s *saved) (spooled bool) {
	err := h.spool(s)
	if err != nil {
		h.Metrics.SpoolFailed.Inc()
		h.logger(s.Address).Error("an answer could not be saved on disk; if its commit fails too it is lost with this process: free space in the data directory", "attempt", s.Attempt, "err", err)
	}
	return err == nil
}

func (h *Handlers) spool(s *saved) error {
	return h.Probe.around(StepSpool, s.Address, func() error {
		if err := h.sealSaved(s); err != nil {
			return err
		}
		data, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return h.Spool.Put(s.Attempt, data)
	})
}

func (h *Handlers) sealSaved(s *saved) (err error) {
	if s.Flow != "" {
		s.Sealed, err = h.sealFlowAnswer(consents.Flow{ID: s.FlowID, Address: s.Address}, s.answer)
		return err
	}
	s.Sealed, err = h.sealAnswer(s.Address, s.Consent, s.Generation, s.answer)
	return err
}

// settle commits a saved answer and finishes what the commit decided: timer,
// outbox, memory, spool, in this order, whoever does it. Whoever adopts an
// orphan does the same. A panic is an error like any other here: the answer stays
// in the spool and is tried again, and one bad answer takes no worker down.
func (h *Handlers) settle(ctx context.Context, s saved) (err error) {
	defer func() {
		if r := recover(); r != nil { // its value may hold anything: it goes nowhere
			err = fmt.Errorf("%w: a defect of this version, at %s", errForGood, panicked())
		}
	}()
	if s.Flow != "" {
		return h.settleExchange(ctx, s)
	}
	was, l, err := h.commit(ctx, s)
	if err != nil {
		return err
	}
	if err := s.ahead.over(h.fin).finish(ctx, l, was.EventNumber+1, false); err != nil {
		return err
	}
	if l.Status == links.Revoked {
		h.revokeLate(ctx, l, s)
	}
	return h.Probe.around(StepUnspool, s.Address, func() error { return h.Spool.Remove(s.Attempt) })
}

// commit writes the answer into the record, re-reading and applying it again
// until one compare-and-set holds. It returns the record before and after.
func (h *Handlers) commit(ctx context.Context, s saved) (was, l links.Link, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	ctx, span := h.Tracer.Start(ctx, "commit", s.Address)
	defer func() { span.End(tracing.Unless(err, "not_committed")) }()
	verify := h.verifyOnce(ctx, s)
	for try := 1; ; try++ {
		was, l, err = h.tryCommit(ctx, s, verify)
		s.recent = nil
		if err == nil || errors.Is(err, errForGood) || errors.Is(err, seal.ErrUnknownKey) || ctx.Err() != nil {
			return was, l, err
		}
		if !errors.Is(err, links.ErrConflict) {
			h.logger(s.Address).Warn("an answer is not committed yet; trying again", "attempt", s.Attempt, "err", err)
			await(ctx, nil, h.Budget.LockRenew/10)
		}
	}
}

// errForGood marks errors that another try cannot mend.
var errForGood = errors.New("cannot be committed by this worker")

func (h *Handlers) tryCommit(ctx context.Context, s saved, verify verifier) (was, l links.Link, err error) {
	stored, err := h.latest(ctx, s)
	if err != nil {
		return was, l, err
	}
	was = stored.Link
	result := h.result(was, s)
	l, err = h.applied(was, s, result, verify)
	if err != nil || result == links.ResultAlready {
		return was, l, err
	}
	written, err := h.update(ctx, StepCommit, stored, l)
	if err != nil {
		return was, l, err
	}
	h.committed(was, written.Link, s, result)
	return was, written.Link, nil
}

func (h *Handlers) latest(ctx context.Context, s saved) (links.Stored, error) {
	if s.recent != nil {
		return *s.recent, nil
	}
	stored, err := h.Store.Latest(ctx, s.Address)
	if errors.Is(err, links.ErrNotFound) {
		err = fmt.Errorf("%w: link %s is gone: %w", errForGood, s.Address, err)
	}
	return stored, err
}

func (h *Handlers) committed(was, l links.Link, s saved, result links.Result) {
	if l.Generation > was.Generation {
		h.Metrics.Generations.WithLabelValues(l.Provider, string(s.Cause)).Inc()
	}
	if result != links.ResultCommitted || l.Status != links.Active {
		h.Metrics.Verdicts.WithLabelValues(l.Provider, result.String()+"_"+string(l.Status)).Inc()
		h.logger(l.Address).Warn("an answer did not become the current token", "attempt", s.Attempt, "result", result.String(), "status", l.Status)
		return
	}
	h.logger(l.Address).Info("token rotated", "generation", l.Generation, "attempt", s.Attempt, "cause", s.Cause, "from", was.Status)
}

// result is what the answer would be to a record.
func (h *Handlers) result(l links.Link, s saved) links.Result {
	result := l.Answers(s.claim(), h.rules[s.Provider])
	if s.Aside && result == links.ResultCommitted {
		return links.ResultCandidate
	}
	return result
}

// applied is the pure part: what the answer makes of the record.
func (h *Handlers) applied(l links.Link, s saved, result links.Result, verify verifier) (links.Link, error) {
	now, origin, c := h.Clock(), h.origin(s.Trace), s.claim()
	rules := h.rules[l.Provider]
	switch result {
	case links.ResultAlready:
		return l, nil
	case links.ResultLate:
		if l.Status == links.Revoked {
			return l, nil // nothing of a link that was logged out is kept
		}
		return l.Keep(c, links.KeptLate, s.Sealed, now), nil
	case links.ResultCandidate:
		return l.Keep(c, links.KeptCandidate, s.Sealed, now), nil
	}
	old, err := h.openTokens(l)
	if err != nil {
		return l, forGood(err)
	}
	verified, err := verify(l, old)
	switch {
	case errors.Is(err, providers.ErrHostile):
		h.logger(l.Address).Error("the provider's answer names another login or is forged; the link is quarantined", "attempt", s.Attempt, "err", err)
		return l.Quarantine(c, s.Sealed, "id_token_mismatch", origin, now), nil
	case errors.Is(err, providers.ErrKeysUnavailable):
		return l.Park(c, s.Sealed, now, rules, h.Random()), nil
	case err != nil:
		return l, err
	}
	grant, err := h.grant(l, old, s.answer, verified)
	if err != nil {
		return l, err
	}
	return l.Commit(c, grant, s.Cause, origin, now, rules, h.Random()), nil
}

// verifier checks an answer against the login that a link's sealed part names.
type verifier func(l links.Link, old links.Tokens) (providers.Verified, error)

// verifyOnce asks the provider package at most once per save, however often the
// commit is applied again: the keys are fetched over the network.
func (h *Handlers) verifyOnce(ctx context.Context, s saved) verifier {
	var (
		done     bool
		verified providers.Verified
		failed   error
	)
	return func(l links.Link, old links.Tokens) (providers.Verified, error) {
		if !done {
			h.Probe.at(StepVerify, Before, l.Address)
			verified, failed = h.verify(ctx, l, old, s.answer)
			done = true
			h.Probe.at(StepVerify, After, l.Address)
		}
		return verified, failed
	}
}

// verify holds an answer against the login that the link's sealed part names.
func (h *Handlers) verify(ctx context.Context, l links.Link, old links.Tokens, a *providers.Answer) (providers.Verified, error) {
	return h.Providers[l.Provider].Verify(ctx, a, providers.Identity{
		Issuer: old.Issuer, Subject: old.Subject, ClientID: l.ClientID,
	})
}

// keepAside saves an answer that is not a complete token set, like any other,
// and keeps it in the record as a candidate.
func (h *Handlers) keepAside(ctx context.Context, j *job, c links.Claim, a *providers.Answer) {
	s := saved{Address: j.addr, Attempt: c.Attempt, Consent: c.Consent, Generation: c.Generation, Cause: j.cause, Trace: j.trace, Aside: true, answer: a}
	if err := h.keepSafe(ctx, s); err != nil {
		h.logger(j.addr).Warn("an incomplete answer is not in the record yet", "attempt", c.Attempt, "err", err)
	}
}

// check verifies an answer that was saved while its keys were not reachable.
func (h *Handlers) check(ctx context.Context, j *job, stored links.Stored) (inbox.Verdict, bool) {
	kept, ok := stored.Link.KeptOf(links.KeptPending)
	if !ok {
		return inbox.Later(h.Budget.Recovery), false
	}
	answer, err := h.openAnswer(j.addr, kept.Consent, kept.Generation, kept.Sealed)
	if err != nil {
		return h.unfinished(j, err), false
	}
	s := saved{
		Address: j.addr, Attempt: kept.Attempt, Consent: kept.Consent, Generation: kept.Generation,
		Cause: j.cause, Trace: j.trace, Sealed: kept.Sealed, answer: answer,
	}
	if err := h.settle(ctx, s); err != nil {
		return h.unfinished(j, err), false
	}
	return inbox.Done(), false
}

// panicked names the function that the panic being recovered comes from.
func panicked() string {
	pc := make([]uintptr, 1)
	if runtime.Callers(4, pc) == 0 {
		return "an unknown place"
	}
	frame, _ := runtime.CallersFrames(pc).Next()
	return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
}

// issuedAt is when an answer was asked for, or now for answers that do not say.
func issuedAt(a *providers.Answer, now time.Time) time.Time {
	if a.RequestedAt.IsZero() {
		return now
	}
	return a.RequestedAt.Round(0)
}
