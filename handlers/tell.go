package handlers

import (
	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
)

// tell tells the audit what this worker did to a link. What an event or an attempt
// caused may be done again after a crash, and is told under the same id.
func (h *Handlers) tell(a events.Address, e audit.Entry) {
	if h.Audit == nil {
		return
	}
	e = e.About(a)
	e.At, e.Actor = h.Clock().UTC(), "worker:"+h.Worker
	if e.ID = e.DerivedID(); e.Cause == "" {
		e.ID = ulid.Make().String()
	}
	h.Audit.Tell(e)
}

// tellFlow tells the audit about a consent flow, which it names.
func (h *Handlers) tellFlow(a events.Address, flow string, e audit.Entry) {
	e.Details = map[string]string{"flow": flow}
	h.tell(a, e)
}
