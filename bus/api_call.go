package bus

import (
	"context"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go/micro"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
)

// subjects is what an endpoint subscribes to.
func (e Endpoint) subjects(s events.Subjects) string {
	switch {
	case e.HandleLink != nil:
		return s.APILinkAll(e.Verb)
	case e.HandleEveryone != nil:
		return s.APIEveryone(e.Verb)
	}
	return s.APIAll(e.Verb)
}

// call is one request on its way to its handler. about says in logs whom it is
// about: the subject's words, which NATS has permitted, and nothing of the body.
type call struct {
	verb  string
	about slog.Attr
	do    func(ctx context.Context) ([]byte, error)
}

// call reads whom a request is about from its subject.
func (e Endpoint) call(s events.Subjects, r micro.Request) (call, error) {
	switch {
	case e.HandleLink != nil:
		return e.callLink(s, r)
	case e.HandleEveryone != nil:
		return call{e.Verb, slog.Attr{}, func(ctx context.Context) ([]byte, error) { return e.HandleEveryone(ctx, r.Data()) }}, nil
	}
	tenant, _, err := s.ParseAPI(r.Subject())
	if err != nil {
		return call{}, api.Refuse(api.Invalid, "tenant: is not a name of [a-z0-9-]{1,32}")
	}
	return call{e.Verb, slog.String("tenant", tenant), func(ctx context.Context) ([]byte, error) {
		return e.Handle(ctx, tenant, r.Data())
	}}, nil
}

func (e Endpoint) callLink(s events.Subjects, r micro.Request) (call, error) {
	a, _, err := s.ParseAPILink(r.Subject())
	if err != nil {
		return call{}, api.Refuse(api.Invalid, "subject: does not name a tenant, a provider and a link")
	}
	about := slog.Group("", slog.String("tenant", a.Tenant), slog.String("provider", a.Provider), slog.String("link", a.Link))
	return call{e.Verb, about, func(ctx context.Context) ([]byte, error) {
		return e.HandleLink(ctx, a, r.Data())
	}}, nil
}

// apiSlot is a request's slot, as inbox.Slot: those who wait give it to others.
type apiSlot chan struct{}

func (s apiSlot) Release() bool { <-s; return true }

func (s apiSlot) Retake() { s <- struct{}{} }

// borrowed says that a request names as its reply subject one that means something to
// the cell or to the server. A reply is published with this process's permissions: it
// would overwrite a record, or be an input, for somebody who may do neither.
func (b *Bus) borrowed(reply string) bool {
	return strings.HasPrefix(reply, "$") || strings.HasPrefix(reply, b.names.prefix()+".")
}
