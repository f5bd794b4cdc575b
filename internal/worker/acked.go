package worker

import (
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
)

// ackPatience bounds the wait for the server to have an ack. Only tests wait.
const ackPatience = 5 * time.Second

// settled is told of every message of a provider that was decided about: it counts
// what was given up, and tells the probe of what was acked.
func (w *Worker) settled(provider string, address func(events.Subjects, string) (events.Address, error)) func(*inbox.Message, inbox.Verdict) {
	acked := w.acked(address)
	return func(m *inbox.Message, v inbox.Verdict) {
		if v.Kind == inbox.KindDead {
			w.counters.dead.WithLabelValues(provider, v.Reason).Inc()
		}
		acked(m, v)
	}
}

// acked tells the probe that a message was acked. It is the one step that is
// taken outside the handlers. The probe is told when the server has the ack, not
// when it stands in a buffer: a crash right after would be one before it.
func (w *Worker) acked(address func(events.Subjects, string) (events.Address, error)) func(*inbox.Message, inbox.Verdict) {
	if w.probe == nil {
		return func(*inbox.Message, inbox.Verdict) {}
	}
	subjects := w.bus.Names().Subjects()
	return func(m *inbox.Message, v inbox.Verdict) {
		a, err := address(subjects, m.Subject)
		if err != nil || v.Kind != inbox.KindDone {
			return
		}
		if err := w.bus.Conn().FlushTimeout(ackPatience); err != nil {
			w.log.Warn("an ack was not flushed", "err", err)
		}
		w.probe(handlers.StepAck, handlers.After, a)
	}
}

func inputOf(s events.Subjects, subject string) (events.Address, error) {
	a, _, err := s.ParseIn(subject)
	return a, err
}
