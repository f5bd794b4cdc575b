package stand

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
)

// Report is one report that a link's first bearer was refused. It has no message
// id: what the server would recognise as said already never gets as far as those
// who are compared.
func Report(s events.Subjects, a events.Address) (*nats.Msg, error) {
	d := events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized}
	e, err := events.NewInput("//bench/reporter", a.Link, time.Now(), events.Trace{}, d)
	if err != nil {
		return nil, err
	}
	m, err := s.InputMessage(e)
	if err != nil {
		return nil, err
	}
	delete(m.Header, events.HeaderMsgID)
	return &nats.Msg{Subject: m.Subject, Header: nats.Header(m.Header), Data: m.Data}, nil
}
