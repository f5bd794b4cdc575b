package handlers_test

import (
	"context"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
)

// restful is an app's rate whose server asked to be left alone for a while.
type restful struct{ rest time.Duration }

func (r restful) Take(context.Context, string) time.Duration   { return 0 }
func (r restful) Resting(string) time.Duration                 { return r.rest }
func (r restful) Pause(context.Context, string, time.Duration) {}

// What can only wait goes back at a look, however many there are: nothing of it is
// decoded, and its payload here could not be. Whatever need not wait passes.
func TestWhatRestsIsPutBackUnread(t *testing.T) {
	const rest = time.Minute
	in(t, "forbidden", func(w *world) {
		w.configure = func(_ *process, cfg *handlers.Config) { cfg.Limits = restful{rest} }
		p, s := w.process("a"), events.Subjects{}
		unreadable := func(subject, generation string) *inbox.Message {
			return &inbox.Message{Subject: subject, Header: map[string][]string{events.HeaderGeneration: {generation}}, Data: []byte("{"), Delivered: 1}
		}
		for what, peek := range map[string]func() (inbox.Verdict, bool){
			"a report": func() (inbox.Verdict, bool) {
				return p.h.Inputs().Peek(unreadable(s.In(theLink, events.NameTokenExpired), "1"))
			},
			"a timer": func() (inbox.Verdict, bool) { return p.h.Dues().Peek(unreadable(s.Due(theLink), "")) },
		} {
			if v, settled := peek(); !settled || v.Kind != inbox.KindLater || v.After < rest || v.After > 2*rest {
				t.Errorf("%s of an app that rests for %s: %+v, settled %v", what, rest, v, settled)
			}
		}
		for _, name := range []events.Name{events.NameReconsentCompleted, events.NameLogoutRequested, events.NameLinkReplacementDecided} {
			if v, settled := p.h.Inputs().Peek(unreadable(s.In(theLink, name), "")); settled {
				t.Errorf("%s is held up by a rate: %+v", name, v)
			}
		}
		stranger := theLink
		stranger.Provider = "unheard-of"
		if v, settled := p.h.Inputs().Peek(unreadable(s.In(stranger, events.NameTokenExpired), "1")); settled {
			t.Errorf("a report for no provider of ours: %+v", v)
		}
	})
}
