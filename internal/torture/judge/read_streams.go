package judge

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/secret"
)

// inputs reads the stream of inputs, what nobody understands included.
func (r reader) inputs(ctx context.Context) error {
	return r.bus.Watch(ctx, bus.WatchSpec{Stream: r.bus.Names().In(), Stored: true}, func(m *inbox.Message) error {
		r.Inputs = append(r.Inputs, r.input(m))
		return nil
	})
}

func (r reader) input(m *inbox.Message) Input {
	in := Input{Sequence: m.Sequence, StoredAt: m.StoredAt, Replayed: len(m.Header[events.HeaderReplays]) > 0}
	in.Generation, _ = events.GenerationOf(m.Header)
	in.Reason = events.Reason(first(m.Header[events.HeaderReason]))
	a, name, err := r.bus.Names().Subjects().ParseIn(m.Subject)
	if in.Address, in.Name = a, name; err != nil {
		in.Broken = true
		return in
	}
	e, err := events.Decode(m.Header, m.Data)
	if err == nil {
		err = events.Check(e, a, name)
	}
	if in.Broken = err != nil; in.Broken {
		return in
	}
	switch name {
	case events.NameTokenExpired:
		data, _ := events.As[events.TokenExpired](e) // Check has read it
		in.Generation, in.Fingerprint, in.Reason = data.Generation, data.Fingerprint, data.Reason
	case events.NameReconsentCompleted:
		data, _ := events.As[events.ReconsentCompleted](e)
		in.Flow, in.Code = consents.Key(data.State+data.Staging), secret.New(string(data.Code)).Fingerprint()
	}
	return in
}

// told is what the judge reads of an output's data.
type told struct {
	Generation uint64       `json:"generation"`
	Previous   uint64       `json:"previous_generation"`
	Consent    uint64       `json:"consent"`
	Cause      events.Cause `json:"cause"`
	Reason     string       `json:"reason"`
}

func (r reader) outputs(ctx context.Context) error {
	subjects := r.bus.Names().Subjects()
	return r.bus.Watch(ctx, bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		a, name, err := subjects.ParseOut(m.Subject)
		if err != nil {
			return err
		}
		o := Output{Address: a, Name: name, StoredAt: m.StoredAt}
		e, err := events.Decode(m.Header, m.Data)
		if err != nil {
			return err
		}
		var t told
		if err := json.Unmarshal(e.Data(), &t); err != nil {
			return err
		}
		o.ID, o.Generation, o.Previous, o.Consent, o.Cause, o.Reason = e.ID(), t.Generation, t.Previous, t.Consent, t.Cause, t.Reason
		o.Number, err = events.Number(e)
		r.Outputs = append(r.Outputs, o)
		return err
	})
}

func (r reader) letters(ctx context.Context) error {
	r.Letters = map[uint64]string{}
	return r.bus.Letters(ctx, func(l bus.Letter) error {
		if l.Stream == r.bus.Names().In() {
			r.Letters[l.Sequence] = l.Reason
		}
		return nil
	})
}

// timers reads which are armed: what fired, the server has removed.
func (r reader) timers(ctx context.Context) error {
	r.Timers = map[events.Address]uint64{}
	subjects := r.bus.Names().Subjects()
	spec := bus.WatchSpec{Stream: r.bus.Names().Timer(), Subject: subjects.TimerAll(), Stored: true}
	return r.bus.Watch(ctx, spec, func(m *inbox.Message) error {
		a, err := subjects.ParseTimer(m.Subject)
		if err != nil {
			return err
		}
		number, err := strconv.ParseUint(first(m.Header[bus.HeaderDue]), 10, 64)
		r.Timers[a] = number
		return err
	})
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
