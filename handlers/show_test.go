package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// shown asks a process for a link.
func (w *world) shown(p *process, a events.Address) (out api.LinkView, err error) {
	p.start(nil, func(ctx context.Context) { out, err = p.h.Show(ctx, a, api.Show{}) }).end()
	return out, err
}

// A link is shown as it is; what is secret of it is not there to be shown.
func TestALinkIsShownWithoutItsSecrets(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		p := w.process("a")
		w.put(func(l *links.Link) { l.Status = links.ConsentRequired })
		shown, err := w.shown(p, theLink)
		if err != nil || shown.Address != theLink || shown.Nickname != "login" || shown.Generation != 1 || shown.Status != string(links.ConsentRequired) {
			t.Errorf("%+v %v", shown, err)
		}
		if out, err := json.Marshal(shown); err != nil || strings.Contains(string(out), canary) {
			t.Errorf("%s %v", out, err)
		}
	})
}

// What is not there, or not ours, is not there in the same words.
func TestWhatIsNoLinkIsNotShown(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		p := w.process("a")
		for _, a := range []events.Address{
			{Tenant: "default", Provider: "op", Link: "other"}, {Tenant: "other", Provider: "op", Link: theLink.Link}, {Tenant: "default", Provider: "other", Link: theLink.Link},
		} {
			_, err := w.shown(p, a)
			if e := (*api.Error)(nil); !errors.As(err, &e) || e.Code != api.NotFound || e.Link != a.Link {
				t.Errorf("%s: %v", a, err)
			}
		}
		w.store.away = true
		_, err := w.shown(p, theLink)
		if e := (*api.Error)(nil); !errors.As(err, &e) || e.Code != api.Unavailable {
			t.Errorf("without a store: %v", err)
		}
	})
}
