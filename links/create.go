package links

import (
	"time"

	"github.com/regrant/regrant/events"
)

// Import makes generation 1, consent 1 of a link whose grant was obtained
// elsewhere. The caller fills in who and what; g.Sealed is bound to (1, 1).
func Import(l Link, g Grant, o Origin, now time.Time, r Rules, jitter float64) Link {
	l.Version = Version
	l.Generation, l.Consent, l.Consented = 0, 1, 1
	l.Scopes = g.Scopes
	l = l.adopt(g, r, jitter)
	l.Consents = []Consent{{Number: 1, At: now, Cause: string(events.CauseImport), Scopes: l.Scopes, Accounts: l.Accounts, Until: l.ConsentExpiresAt}}
	l = l.remember(now, changeCreate, "")
	return l.announce(o, now, events.LinkCreated{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, Cause: events.CauseImport,
		ExpiresAt: optional(l.ExpiresAt), RefreshExpiresAt: optional(l.RefreshExpiresAt), ConsentExpiresAt: optional(l.ConsentExpiresAt),
		Scopes: l.Scopes, Accounts: l.Accounts,
	})
}
