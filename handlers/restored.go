package handlers

import (
	"context"

	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// behind handles a record that is older than what this process knows to be
// announced. A follower may have answered; if the leader says the same, the store
// was restored from a backup, and the credential in it may be long spent.
func (h *Handlers) behind(ctx context.Context, j *job, view links.View) (inbox.Verdict, bool) {
	stored, err := h.Store.Latest(ctx, j.addr)
	if err != nil {
		return h.notWritten(j, err)
	}
	f := h.known.of(j.addr)
	if stored.Link.Generation >= f.generation {
		j.fresh = true // the follower will catch up
		return inbox.Verdict{}, true
	}
	h.Metrics.RolledBack.Inc()
	h.logger(j.addr).Error("the link's record is older than what was announced: was the store restored from a backup? its credential may be spent",
		"generation", stored.Link.Generation, "announced", f.generation)
	tokens, err := h.openTokens(stored.Link)
	if err != nil {
		return h.unfinished(j, err), false
	}
	l := stored.Link
	l.DueNumber = max(l.DueNumber, f.armed) // numbers go on: a timer under a used one would not be armed
	sealed, err := SealTokens(h.Keys, l.Address, l.Consent, f.generation, tokens)
	if err != nil {
		return h.unfinished(j, err), false
	}
	next := l.Doubt(f.generation, f.stored, sealed, view.Now, view.Rules)
	if _, err := h.update(ctx, StepJudge, stored, next); err != nil {
		return h.notWritten(j, err)
	}
	return h.finishWrite(ctx, j, l, next), false
}
