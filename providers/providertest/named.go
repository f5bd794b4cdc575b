package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// named holds the semantics of the systems that Regrant serves, as documented.
// Where a vendor says nothing about reuse, reuse revokes.
var named = map[string]Behaviour{
	// One-time, revoking, with ID tokens: the worst that is common.
	"generic": {
		SessionTTL: 14 * day, RefreshTTL: 30 * day, RefreshExpiryField: "refresh_token_expires_in", IDTokens: true,
	},
	// The guide calls the refresh token static; the test system refuses a used
	// one in Dex's words, without revoking. One link per login and application: a
	// reconsent stops all earlier ID tokens.
	// Client authentication differs between refresh and code.
	"akoya": {
		OnReuse: Refuse, SingleGrant: true, AuthStyle: "post", CodeAuthStyle: "basic",
		AccessTTL: day, IDTokens: true, BearerID: true,
		DeadCode:        "invalid_request",
		DeadDescription: "Refresh token is invalid or has already been claimed by another client.",
	},
	// "The old one can be re-used until it expires"; one access token at a time;
	// codes live "several minutes".
	"astra": {
		Rotation: ReusableUntilExpiry, SingleActive: true,
		AccessTTL: 2 * time.Hour, RefreshTTL: 10 * day, CodeTTL: 5 * time.Minute,
	},
	// A JWT of a quarter of an hour beside an opaque token of a week; rotation unknown.
	"sdk": {AccessTTL: 15 * time.Minute, RefreshTTL: 7 * day, AccessJWT: true},
	// One token per user and application; one device's logout is everybody's.
	"wso2": {SingleActive: true, RevokeSiblings: true, AccessTTL: time.Hour, RefreshTTL: day},
	// Short opaque credentials; the ID token outlives the access token by far, and a
	// browser that logged in once answers for as long without asking.
	"nextidentity": {
		AccessTTL: time.Hour, IDTokens: true, IDTTL: 14 * day, SessionTTL: 14 * day,
		AccessLen: 16, RefreshLen: 20, CodeLen: 14,
	},
}

// Named returns the semantics of one of the systems in Names.
func Named(system string) (Behaviour, error) {
	b, ok := named[system]
	if !ok {
		return Behaviour{}, fmt.Errorf("no simulated system %q; there are %s", system, strings.Join(Names(), ", "))
	}
	return b, nil
}

// Names lists what Named knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(named)) }
