package worker

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/locks"
)

// The reconciler's rhythm. A full scan at start and daily finds what time alone
// changed; the hourly one looks at what was written since.
const (
	reconcileEvery = time.Hour
	reconcileFully = 24 * time.Hour
	// reconcilePace leaves the store to the refreshes: a thousand records a second at most.
	reconcilePace = time.Millisecond
	reconcileLock = "reconciler"
)

// reconcile scans for ever, one worker of the cell at a time. Without the lock
// server it scans too: a double run is harmless.
func (w *Worker) reconcile(ctx context.Context, patience time.Duration) {
	r := w.handlers.NewReconciler(w.store, reconcilePace)
	full := time.Time{} // of the last full scan
	for {
		lease, err := w.locks.Acquire(ctx, reconcileLock)
		if err != nil && ctx.Err() != nil {
			return
		}
		pause := reconcileEvery
		if !isHeld(err) {
			all := time.Since(full) >= reconcileFully
			switch err := r.Scan(ctx, all); {
			case err != nil && ctx.Err() == nil:
				w.log.Warn("reconciling was not completed; it starts again", "err", err)
				pause = patience
			case err == nil && all:
				full = time.Now()
			}
			if r.Open() {
				pause = 2 * patience // an open attempt is watched for a patience before it is taken up
			}
			w.giveBack(ctx, lease)
		}
		if !tick(ctx, pause) {
			return
		}
	}
}

func isHeld(err error) bool { return errors.Is(err, locks.ErrHeld) }

func (w *Worker) giveBack(ctx context.Context, lease locks.Lease) {
	if lease == nil {
		return
	}
	if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
		w.log.Debug("the reconciler's lock was not given back; it expires by itself", "err", err)
	}
}
