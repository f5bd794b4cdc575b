package replay

import (
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
)

// Question is what a worker is asked about an input that was first stored at this time.
// State, staging id and code go as their hashes. Errors are *events.Invalid.
func Question(e event.Event, first time.Time) (api.Explain, error) {
	name, err := events.ParseType(e.Type())
	if err != nil {
		return api.Explain{}, err
	}
	q := api.Explain{Type: name, First: first.UTC()}
	switch name {
	case events.NameTokenExpired:
		d, err := events.As[events.TokenExpired](e)
		q.Generation, q.Fingerprint, q.Reason = d.Generation, d.Fingerprint, d.Reason
		return q, err
	case events.NameReconsentCompleted:
		d, err := events.As[events.ReconsentCompleted](e)
		q.Flow, q.Staged, q.Iss, q.User = consents.Key(d.State+d.Staging), d.Staging != "", d.Iss, d.User
		q.Code = consents.CodeOf(string(d.Code), d.Error)
		return q, err
	case events.NameLinkReplacementDecided:
		d, err := events.As[events.LinkReplacementDecided](e)
		q.Consent, q.Decision = d.Consent, d.Decision
		return q, err
	case events.NameLogoutRequested:
		d, err := events.As[events.LogoutRequested](e)
		q.Scope, q.Time = d.Scope, e.Time()
		return q, err
	default:
		return q, &events.Invalid{Field: "type", Reason: events.FaultWrongType}
	}
}
