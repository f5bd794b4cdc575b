package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/spool"
	"github.com/regrant/regrant/tracing"
)

// Adopt finishes the answers that dead workers left in their spools on this
// host, and those of this worker's own earlier life, and pays this process's
// debts. It is called at start and every Budget.Adopt, which is well before an
// unknown outcome is judged for good. What cannot be finished now stays for later.
func (h *Handlers) Adopt(ctx context.Context) error {
	failed := h.repay(ctx)
	entries, err := h.Spool.Adopt()
	failed = errors.Join(failed, err)
	for _, entry := range entries {
		if err := h.adopt(ctx, entry); err != nil {
			h.Spool.Release(entry.Name)
			failed = errors.Join(failed, fmt.Errorf("spooled answer %s: %w", entry.Name, err))
			continue
		}
		h.Metrics.Adopted.Inc()
	}
	return failed
}

func (h *Handlers) adopt(ctx context.Context, entry spool.Entry) error {
	var s saved
	if err := json.Unmarshal(entry.Data, &s); err != nil {
		return errors.New("is not a spooled answer")
	}
	if _, ok := h.Providers[s.Provider]; !ok {
		return fmt.Errorf("provider %q is not configured here", s.Provider)
	}
	answer, err := h.openSaved(s)
	if err != nil {
		return err
	}
	s.answer = answer
	h.logger(s.Address).Info("an answer was found in the spool; it is committed now", "attempt", s.Attempt, "generation", s.Generation)
	ctx, span := h.traceAdopted(ctx, s)
	err = h.settle(ctx, s)
	span.End(tracing.Unless(err, "not_committed"))
	if err == nil {
		h.tell(s.Address, audit.Entry{Action: audit.Recovered, Cause: s.Attempt + s.FlowID, Generation: s.Generation})
	}
	return err
}

func (h *Handlers) openSaved(s saved) (*providers.Answer, error) {
	if s.Flow != "" {
		return h.openFlowAnswer(consents.Flow{ID: s.FlowID, Address: s.Address, Answer: s.Sealed})
	}
	return h.openAnswer(s.Address, s.Consent, s.Generation, s.Sealed)
}
