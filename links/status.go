package links

// Status is the state of a link. Trouble with the application's own client
// registration is never one: it is a fact about the app, not about a user's grant.
type Status string

// The states of a link.
const (
	// Active: the current generation is served and may be refreshed.
	Active Status = "active"
	// Refreshing: an intent is written; a presentation may be under way or have been made.
	Refreshing Status = "refreshing"
	// Unverified: an answer is saved, the keys to verify it were not reachable; the previous bearer is served.
	Unverified Status = "unverified"
	// Uncertain: the outcome of a presentation is unknown; the old bearer is served while it may live.
	Uncertain Status = "uncertain"
	// ConsentRequired: the grant is dead or its outcome will stay unknown; only the user can help.
	ConsentRequired Status = "consent_required"
	// Held: a replacement by another login waits for a decision.
	Held Status = "held"
	// Replaced: another link took this one's place after another login.
	Replaced Status = "replaced"
	// Superseded: the same login was linked by somebody else; this grant is dead at the provider.
	Superseded Status = "superseded"
	// Revoked: logged out.
	Revoked Status = "revoked"
	// Quarantined: an answer failed verification in a way that only an attack or a broken provider explains.
	Quarantined Status = "quarantined"
)

// Ended says that no answer to an old presentation may bring the link back.
func (s Status) Ended() bool { return s == Replaced || s == Superseded || s == Revoked }

// open says that a link in this state has presentations whose outcome matters.
func (s Status) open() bool { return s == Refreshing || s == Uncertain }
