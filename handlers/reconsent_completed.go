package handlers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// callback is what came back from the provider with the user's browser.
type callback struct {
	code secret.Value
	// hash names the code, or the error that came in its place; refused is the reason
	// that the latter is.
	hash, refused string
	event         string
}

// flowJob is a consent flow on its way through turnsOfFlow. Without a callback it is
// taken up by whoever found it open.
type flowJob struct {
	*job
	key      string
	callback *callback
}

func (h *Handlers) reconsentCompleted(ctx context.Context, a events.Address, e event.Event, m *inbox.Message) (inbox.Verdict, course) {
	data, err := events.As[events.ReconsentCompleted](e)
	if err != nil {
		return dead(err), course{}
	}
	c := callbackOf(data, e.ID())
	r := returned{
		Address: a, key: consents.Key(data.State + data.Staging), // one of them is empty
		staged: data.Staging != "", code: c.hash, iss: data.Iss, user: data.User,
	}
	s, err := h.Flows.Get(ctx, r.key)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return r.unknown(), course{}
	case err != nil:
		h.logger(a).Warn("a consent flow was not read; trying again", "err", err)
		return inbox.Later(h.Budget.LockRenew), course{}
	}
	if reason, field := h.refuses(s.Flow, r, m.StoredAt); reason != "" {
		h.logger(a).Warn("a reconsent was refused", "flow", s.Flow.ID, "reason", reason)
		return inbox.Dead(reason, field), course{}
	}
	j := &flowJob{job: jobOf(ctx, a, e, m.StoredAt, events.CauseReconsent), key: r.key, callback: c}
	v := h.underLock(ctx, j.job, m.Delivered, func() inbox.Verdict { return h.turnsOfFlow(ctx, j) })
	return v, j.course
}

// jobOf is the job of an input that is no report: it waits for nothing that a
// report's generation could settle.
func jobOf(ctx context.Context, a events.Address, e event.Event, storedAt time.Time, cause events.Cause) *job {
	return &job{addr: a, storedAt: storedAt, trace: causedBy(ctx, e), cause: cause, trigger: links.Trigger{Timer: true}}
}

func callbackOf(d events.ReconsentCompleted, id string) *callback {
	return &callback{code: secret.New(string(d.Code)), refused: declined(d.Error), event: id, hash: consents.CodeOf(string(d.Code), d.Error)}
}

// declines are the errors that a redirect may bring (RFC 6749 section 4.1.2.1, OIDC
// Core section 3.1.2.6).
var declines = []string{
	"invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
	"interaction_required", "login_required", "account_selection_required", "consent_required", "invalid_request_uri", "invalid_request_object",
	"request_not_supported", "request_uri_not_supported", "registration_not_supported",
}

// declined is the reason of a flow whose redirect brought an error; empty where it
// brought none. Any other word is somebody's own: it may be a code in the wrong
// place, or pass for a reason of ours, and goes into no event, log or metric.
func declined(word string) string {
	if word == "" || slices.Contains(declines, word) {
		return word
	}
	return consents.ReasonRefused
}

// returned is what is held against a flow before anything is done with it. Neither
// state nor code is part of it.
type returned struct {
	events.Address
	key, code string // hashes of the state, or of the staging id, and of the code
	staged    bool
	iss, user string
}

func (r returned) unknown() inbox.Verdict {
	if r.staged {
		return inbox.Dead("unknown_staging", "data.staging")
	}
	return inbox.Dead("unknown_state", "data.state")
}

// refuses holds an input against the flow that it names. Nothing is changed by an
// input that is refused: the flow can still be completed by the right one.
func (h *Handlers) refuses(f consents.Flow, r returned, storedAt time.Time) (reason, field string) {
	switch {
	case f.Staged != r.staged:
		v := r.unknown()
		return v.Reason, v.Field
	case f.Tenant != r.Tenant:
		return "state_of_another_tenant", "data.tenant"
	case f.Provider != r.Provider:
		return "state_of_another_provider", "data.provider"
	case f.Link != r.Link:
		return "state_of_another_link", "data.link"
	case r.user != "" && r.user != f.User:
		return "state_of_another_user", "data.user"
	case f.Staged && f.Unused() && storedAt.After(f.ExpiresAt):
		return "expired_staging", "data.staging"
	case f.Unused() && storedAt.After(f.ExpiresAt):
		return "expired_state", "data.state"
	case !f.Staged && f.Status != consents.Pending && f.Code != r.code:
		return "used_state", "data.state"
	}
	var rejected *providers.Rejection
	if err := h.Providers[f.Provider].CheckIss(r.iss); !f.Staged && errors.As(err, &rejected) {
		return rejected.Reason, "data.iss"
	}
	return "", ""
}

// resume takes up a flow whose exchange was found open, by a timer or a scan.
func (h *Handlers) resume(ctx context.Context, j *job, l links.Link) inbox.Verdict {
	return h.turnsOfFlow(ctx, &flowJob{job: j, key: l.Exchange.Flow})
}
