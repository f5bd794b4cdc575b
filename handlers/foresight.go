package handlers

import (
	"context"

	"github.com/regrant/regrant/events"
)

// foresight is what is armed for a link, read while its provider is asked: the
// refresh need not wait for that afterwards. It is never waited for, and decides
// nothing: who arms with it finds out when it has become untrue.
type foresight struct {
	timers Timers // read after done is closed; nil: nothing was read
	done   chan struct{}
	cancel context.CancelFunc
}

// foresee begins to read. Whoever called it calls end.
func (h *Handlers) foresee(ctx context.Context, a events.Address) *foresight {
	f := &foresight{done: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(ctx)
	ahead, ok := h.Timers.(Foresight)
	if !ok {
		close(f.done)
		return f
	}
	go func() {
		defer close(f.done)
		f.timers = ahead.Ahead(ctx, a)
	}()
	return f
}

// end gives up what is not read yet.
func (f *foresight) end() {
	f.cancel()
	<-f.done
}

// over is the finisher that arms with what was read, if it was. f may be nil.
func (f *foresight) over(fin *finisher) *finisher {
	if f == nil {
		return fin
	}
	select {
	case <-f.done:
	default:
		return fin
	}
	if f.timers == nil {
		return fin
	}
	with := *fin
	with.Timers = f.timers
	return &with
}
