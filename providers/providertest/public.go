package providertest

import "time"

// sixMonths is as short as six months are.
const sixMonths = 181 * day

// public holds the semantics of public providers, as published and at their
// defaults: what an operator can set there, a test can set here. Where nothing is
// published about reuse, reuse revokes.
var public = map[string]Behaviour{
	// A dead token is 403. The leeway is zero until a tenant sets one (Grace), and
	// covers only the token before.
	"auth0": {AuthStyle: "post", IDTokens: true, AccessTTL: day, DeadStatus: 403},

	// Within reuseInterval (Grace) a used token gets the same successor; after it, it
	// is refused in words and its family lives.
	"dex": {
		OnReuse: Refuse, Grace: 3 * time.Second, SameSuccessor: true, IDTokens: true, AccessTTL: day,
		DeadCode:           "invalid_request",
		DeadDescription:    "Refresh token is invalid or has already been claimed by another client.",
		ExpiredDescription: "Refresh token expired.",
	},

	// A refresh gives a new token and does not revoke the old one.
	"entra": {
		Rotation: ReusableUntilExpiry, AuthStyle: "post", IDTokens: true, RefreshTTL: 90 * day,
		DeadDescription: "AADSTS70000: The provided value for the input parameter 'refresh_token' is not valid.",
	},

	// Old refresh token and old access token stop at once; errors are 200.
	"github-apps": {
		AuthStyle: "post", RefreshEndsBearers: true, ErrorsAre200: true,
		AccessTTL: 8 * time.Hour, RefreshTTL: sixMonths, RefreshExpiryField: "refresh_token_expires_in",
		ClientCode: "incorrect_client_credentials",
		DeadCode:   "bad_refresh_token", DeadDescription: "The refresh token passed is incorrect or expired.",
	},

	// One refresh token for good, shown once; six months without use end it.
	"google": {
		Rotation: None, OmitRefreshToken: true, RefreshOnce: true, AuthStyle: "post", IDTokens: true,
		RefreshIdle: sixMonths, DeadDescription: "Token has been expired or revoked.",
	},

	// A hundred days that roll, under a cap of five years.
	"intuit": {
		IDTokens: true, RefreshIdle: 100 * day, RefreshAbsolute: 5 * 365 * day,
		RefreshExpiryField: "x_refresh_token_expires_in", AbsoluteExpiryField: "x_refresh_token_hard_expires_in",
	},

	// After the leeway a used token ends the newest one and every access token since
	// the login.
	"okta": {Grace: 30 * time.Second, IDTokens: true, RefreshIdle: 7 * day},

	// A used token is good until something of its successor was used, for 30 days.
	"shopify": {
		UntilSuccessorUsed: true, Grace: 30 * day, AuthStyle: "post", RefreshTTL: 90 * day,
	},

	// Errors are 200 and ok: false.
	"slack": {
		ErrorsAre200: true, OKField: true, AccessTTL: 12 * time.Hour,
		ClientCode: "bad_client_secret", DeadCode: "invalid_refresh_token",
	},

	// Half an hour to ask again for an answer that was lost; 60 days unused.
	"xero": {Grace: 30 * time.Minute, IDTokens: true, AccessTTL: 30 * time.Minute, RefreshIdle: 60 * day},
}
