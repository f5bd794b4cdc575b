package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// debt is an attempt of this process that certainly was not made and may still
// stand in its record, because the store was away when it was to be taken out.
// Only this process knows, so it must not depend on who gets the message next:
// another worker would judge the attempt's outcome unknown, and where nothing may
// be repeated the link would be lost for a request that was never sent.
type debt struct {
	addr      events.Address
	claim     links.Claim
	notBefore time.Time
}

// debts is the bounded memory of them, by attempt.
type debts struct{ of *lru.Cache[string, debt] }

func newDebts() debts {
	of, err := lru.New[string, debt](attemptsWatched)
	if err != nil {
		panic(err) // a positive constant
	}
	return debts{of}
}

func (d debts) owe(o debt) { d.of.Add(o.claim.Attempt, o) }

// repay takes what is owed out of the records, as far as the store answers.
func (h *Handlers) repay(ctx context.Context) error {
	var failed error
	for _, o := range h.debts.of.Values() {
		if err := h.repayOne(ctx, o); err != nil {
			failed = errors.Join(failed, fmt.Errorf("attempt %s of link %s, which was not made, is not taken out of the record yet: %w", o.claim.Attempt, o.addr, err))
			continue
		}
		h.debts.of.Remove(o.claim.Attempt)
	}
	return failed
}

// repayOne is done also where the attempt is gone already. The debt is kept until
// timer and outbox are finished: no message may be left to do it.
func (h *Handlers) repayOne(ctx context.Context, o debt) error {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	was, next, err := h.takeOut(ctx, o.addr, o.claim, o.notBefore)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return nil
	case errors.Is(err, errNotListed):
		return h.fin.finish(ctx, was, everythingMayBeStored, true)
	case err != nil:
		return err
	}
	h.logger(o.addr).Info("an attempt that was not made is taken out of the record", "attempt", o.claim.Attempt, "from", was.Status)
	return h.fin.finish(ctx, next, was.EventNumber+1, true)
}
