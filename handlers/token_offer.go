package handlers

import (
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/links"
)

// offer is what a record has for somebody who asks for a bearer: that of the
// current generation, or a refusal.
type offer struct {
	refusal *api.Error // nil: the bearer is served
	// open: time may change the answer without anybody's doing, so waiting is worth it.
	open bool
}

// offered is what a link answers who wants a bearer of some generation or a later
// one. app is the state of the registration that the link is refreshed with, which is
// probed once an interval while it is suspended. Pure.
//
// A bearer is served as long as it may live: while its successor is on the way or
// in doubt the old one works, for all that anybody knows. It is not once a verdict
// has been taken: whoever is told consent_required asks the user, and a bearer
// that dies a minute later would hide it until then.
func offered(l links.Link, least uint64, app apps.App, interval time.Duration, now time.Time) offer {
	if l.Generation >= least && serves(l, now) {
		return offer{}
	}
	o := refused(l, least, app, interval, now)
	o.open = o.open || l.Exchange != nil // the link's user is consenting right now
	o.refusal.Link, o.refusal.Generation = l.Link, l.Generation
	return o
}

func serves(l links.Link, now time.Time) bool {
	switch l.Status {
	case links.Active, links.Refreshing, links.Unverified, links.Uncertain, links.Held:
		return l.Fingerprint != "" && l.BearerAlive(now) // a set without a bearer is refreshed at once
	default:
		return false
	}
}

func refused(l links.Link, least uint64, app apps.App, interval time.Duration, now time.Time) offer {
	switch {
	case l.Status == links.Active && app.Suspended():
		// One that is being refreshed may be the probe, one that waits for keys has its answer.
		e := api.Refuse(api.Suspended, "the provider refuses the workers' own registration: its operators are told, and it is tried once a minute")
		e.RetryAfter = probedIn(app, interval, now).Seconds()
		return offer{refusal: e}
	case l.Status == links.Active, l.Status == links.Refreshing, l.Status == links.Unverified:
		// Without a report, nothing may be on its way: whoever does not ask for the next
		// generation has made none, and is told at once what is missing.
		return offer{refusal: pending(l, least), open: l.Status != links.Active || l.Generation < least}
	case l.Status == links.Uncertain:
		return offer{refusal: api.Refuse(api.Uncertain, "whether the link's grant still lives is not known: an answer of the provider was lost. Wait for link-recovered or consent-required"), open: true}
	case l.Status == links.ConsentRequired && l.Hold == nil:
		return offer{refusal: wanted(l)}
	}
	return offer{refusal: ended(l)}
}

// pending tells whoever comes back from the refresh apart from whoever should ask
// for one.
func pending(l links.Link, least uint64) *api.Error {
	if l.Generation < least {
		return api.Refuse(api.Pending, "generation %d is not there yet: ask again", least)
	}
	return api.Refuse(api.Pending, "the bearer of generation %d has ended: report it with token-expired, and ask for the generation after it", l.Generation)
}

// wanted says what the link's user is needed for.
func wanted(l links.Link) *api.Error {
	e := api.Refuse(api.ConsentRequired, "the link's grant has ended: only its user can help; begin a consent")
	if l.Awaiting != nil {
		e = api.Refuse(api.ConsentRequired, "the link's credentials are wanted, and nobody answers for its user's session: let the user log in again, then report the bearer once more")
	}
	e.Nickname = l.Nickname
	return e
}

// ended is about links that do not come back by themselves.
func ended(l links.Link) *api.Error {
	switch l.Status {
	case links.Replaced: // by one of its own user's
		e := api.Refuse(api.Replaced, "another login has this link's place: use the link that replaced it")
		if l.Successor != nil {
			e.By = l.Successor.Link
		}
		return e
	case links.Superseded: // whose link has the login now is not this one's user's business
		return api.Refuse(api.Superseded, "another user has linked the same login: this link has ended")
	case links.Revoked:
		return api.Refuse(api.Revoked, "the link was logged out")
	case links.Quarantined:
		return api.Refuse(api.Quarantined, "the provider answered with another login or a forged token: an operator must look at it")
	default:
		e := api.Refuse(api.Held, "the link's grant has ended, and another login waits for its place: decide with link-replacement-decided")
		e.Nickname = l.Nickname
		return e
	}
}

// probedIn is when a suspended app is tried next. The record's time is another
// worker's, and believed no further than a whole interval.
func probedIn(a apps.App, interval time.Duration, now time.Time) time.Duration {
	return min(max(a.NextProbe.Sub(now), time.Second), interval)
}
