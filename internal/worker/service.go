package worker

import (
	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
)

// serviceVersion is that of the API, not of the program.
const serviceVersion = "1.0.0"

// APISubjects are what a worker listens to, to serve the API.
func APISubjects(s events.Subjects) []string {
	var all []string
	for _, e := range serviceSpec(new(handlers.Handlers), nil, nil).Endpoints {
		subject := s.APIAll(e.Verb)
		switch {
		case e.HandleLink != nil:
			subject = s.APILinkAll(e.Verb)
		case e.HandleEveryone != nil:
			subject = s.APIEveryone(e.Verb)
		}
		all = append(all, subject)
	}
	return all
}

// serviceSpec lists what services may ask of the workers.
func serviceSpec(h *handlers.Handlers, c *counters, k *keyring) bus.ServiceSpec {
	return bus.ServiceSpec{Name: "regrant", Version: serviceVersion, Answered: c.answered, Endpoints: []bus.Endpoint{
		{Verb: api.VerbConsentBegin, Handle: api.Handler(h.ConsentBegin)},
		{Verb: api.VerbStage, Handle: api.Handler(h.Stage)},
		{Verb: api.VerbList, Handle: api.Handler(h.List)},
		{Verb: api.VerbShow, HandleLink: api.LinkHandler(h.Show)},
		{Verb: api.VerbExplain, HandleLink: api.LinkHandler(h.Explain)},
		{Verb: api.VerbToken, HandleLink: api.LinkHandler(h.Token), Waits: api.MaxWait},
		{Verb: api.VerbKeys, HandleEveryone: k.report},
	}}
}
