package providers

import (
	"testing"
	"time"
)

// How real providers say the same three things: the grant is dead, our registration
// is wrong, come back later. None by its status alone.
func TestTheLibraryKnowsItsProvidersWords(t *testing.T) {
	for _, c := range []struct {
		profile string
		status  int
		body    string
		want    Class
	}{
		{"auth0", 403, `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, GrantDead},
		{"dex", 400, `{"error":"invalid_request","error_description":"Refresh token is invalid or has already been claimed by another client."}`, GrantDead},
		{"dex", 400, `{"error":"invalid_request","error_description":"another"}`, OurFault},
		{"dex", 500, `{"error":"invalid_request"}`, Ambiguous},
		{"entra", 400, `{"error":"interaction_required","suberror":"basic_action"}`, GrantDead},
		{"entra", 401, `{"error":"invalid_client","error_description":"AADSTS7000215"}`, OurFault},
		{"github-apps", 200, `{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}`, GrantDead},
		{"github-apps", 200, `{"error":"incorrect_client_credentials"}`, OurFault},
		{"google", 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`, GrantDead},
		{"intuit", 400, `{"error":"invalid_grant"}`, GrantDead},
		{"okta", 400, `{"error":"invalid_grant","error_description":"The refresh token is invalid or expired."}`, GrantDead},
		{"shopify", 503, `unavailable`, Ambiguous},
		{"slack", 200, `{"ok":false,"error":"invalid_refresh_token"}`, GrantDead},
		{"slack", 200, `{"ok":false,"error":"bad_client_secret"}`, OurFault},
		{"slack", 200, `{"ok":false,"error":"ratelimited"}`, Refused},
		{"slack", 200, `{"ok":false,"error":"fatal_error"}`, Ambiguous},
		{"slack", 200, `{"ok":true,"access_token":"a","refresh_token":"r","expires_in":43200}`, OK},
		{"xero", 429, ``, Refused},
	} {
		p := builtin(t, c.profile)
		if v := judged(p, jsonReply(c.status, c.body)); v.class != c.want {
			t.Errorf("%s answers %d %s: %s, want %s", c.profile, c.status, c.body, v.class, c.want)
		}
	}
}

// What may be presented again, and what is kept alive, is a fact with a source.
func TestTheLibrarysRules(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		replay          Replay
		keepAlive, idle time.Duration
	}{
		"auth0":       {Replay{}, 0, 0},
		"dex":         {Replay{}, 0, 0},
		"entra":       {Replay{Kind: ReplaySafe}, 60 * day, 90 * day},
		"github-apps": {Replay{}, 120 * day, 4380 * time.Hour},
		"google":      {Replay{Kind: ReplaySafe}, 90 * day, 4380 * time.Hour},
		"intuit":      {Replay{}, 70 * day, 100 * day},
		"okta":        {Replay{Kind: ReplayGrace, Window: 30 * time.Second}, 4 * day, 7 * day},
		"shopify":     {Replay{Kind: ReplayUntilSuccessorUsed, Window: 30 * day}, 60 * day, 90 * day},
		"slack":       {Replay{}, 0, 0},
		"xero":        {Replay{Kind: ReplayGrace, Window: 30 * time.Minute}, 40 * day, 60 * day},
	} {
		p := builtin(t, name)
		if p.Replay != c.replay || p.KeepAlive != c.keepAlive || p.RefreshIdle != c.idle {
			t.Errorf("%s: replay %s, keep alive %s of %s", name, p.Replay, p.KeepAlive, p.RefreshIdle)
		}
	}
}
