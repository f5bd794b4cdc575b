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
	// reconsent stops all earlier ID tokens. Data calls refuse a bearer by a number.
	// Client authentication differs between refresh and code.
	"akoya": {
		OnReuse: Refuse, SingleGrant: true, AuthStyle: "post", CodeAuthStyle: "basic",
		AccessTTL: day, IDTokens: true, BearerID: true, ResourceCode: 602,
		DeadCode:           "invalid_request",
		DeadDescription:    "Refresh token is invalid or has already been claimed by another client.",
		ExpiredDescription: "Refresh token expired.",
	},
	// "The old one can be re-used until it expires"; one access token at a time;
	// codes live "several minutes".
	"astra": {
		Rotation: ReusableUntilExpiry, SingleActive: true,
		AccessTTL: 2 * time.Hour, RefreshTTL: 10 * day, CodeTTL: 5 * time.Minute,
	},
	// A JWT of a quarter of an hour beside an opaque token of a week, or an API key
	// for both; rotation unknown. No algorithm is named: the one that is cheap to sign.
	"sdk": {AccessTTL: 15 * time.Minute, RefreshTTL: 7 * day, AccessJWT: true, Alg: "ES256", APIKeys: true},
	// One token per user and application, from a refresh token or from the password
	// again; one device's logout is everybody's.
	"wso2": {
		SingleActive: true, RevokeSiblings: true, Password: true,
		AccessTTL: time.Hour, RefreshTTL: day,
	},
	// Short opaque credentials; the ID token outlives the access token by far, and a
	// browser that logged in once answers for as long without asking.
	"nextidentity": {
		AccessTTL: time.Hour, IDTokens: true, IDTTL: 14 * day, SessionTTL: 14 * day,
		AccessLen: 16, RefreshLen: 20, CodeLen: 14,
	},
}

// Named returns the semantics of one of the systems in Names or Profiles.
func Named(system string) (Behaviour, error) {
	if b, ok := named[system]; ok {
		return b, nil
	}
	if b, ok := public[system]; ok {
		return b, nil
	}
	return Behaviour{}, fmt.Errorf("no simulated system %q; there are %s", system, strings.Join(append(Names(), Profiles()...), ", "))
}

// Names lists the systems that Regrant serves, sorted.
func Names() []string { return slices.Sorted(maps.Keys(named)) }

// Profiles lists the public providers that Named knows too, sorted.
func Profiles() []string { return slices.Sorted(maps.Keys(public)) }
