package worker

import (
	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/handlers"
)

// serviceVersion is that of the API, not of the program.
const serviceVersion = "1.0.0"

// serviceSpec lists what services may ask of the workers.
func serviceSpec(h *handlers.Handlers, c *counters) bus.ServiceSpec {
	return bus.ServiceSpec{Name: "regrant", Version: serviceVersion, Answered: c.answered, Endpoints: []bus.Endpoint{
		{Verb: api.VerbConsentBegin, Handle: api.Handler(h.ConsentBegin)},
		{Verb: api.VerbStage, Handle: api.Handler(h.Stage)},
		{Verb: api.VerbList, Handle: api.Handler(h.List)},
		{Verb: api.VerbShow, HandleLink: api.LinkHandler(h.Show)},
		{Verb: api.VerbToken, HandleLink: api.LinkHandler(h.Token), Waits: api.MaxWait},
	}}
}
