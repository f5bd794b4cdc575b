package providers

import (
	"regexp"
	"slices"
)

var (
	// validParameter are names that need no encoding in a form, and in a config no second look.
	validParameter = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	// validGrantType is such a name or the URI of an extension grant (RFC 6749, 4.5).
	validGrantType = regexp.MustCompile(`^[!-~]{1,256}$`)
)

// requestParams are set by the request itself; a key in one of them would be lost
// or take its place.
var requestParams = []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"}

func (p Profile) checkGrants(c *complaints) {
	for i, g := range p.Grants {
		c.unless(g != "", "grants", "holds an empty word; remove it")
		oneOf(c, "grants", g, GrantRefreshToken, GrantAPIKey, GrantClientCredentials, GrantPassword)
		c.unless(!slices.Contains(p.Grants[:i], g), "grants", "holds %s twice; a grant that failed is not tried again, keep the first", g)
	}
	public := p.AuthStyle == AuthNone
	c.unless(!public || !slices.Contains(p.Grants, GrantClientCredentials), "grants",
		"holds client_credentials, but auth_style is none: a client that proves nothing gets nothing; remove one of the two")
	c.unless(p.APIKey.GrantType == "" || validGrantType.MatchString(p.APIKey.GrantType), "api_key", "has a grant_type that is none; write for example api_key")
	name := p.APIKey.Parameter
	c.unless(name == "" || validParameter.MatchString(name) && !slices.Contains(requestParams, name), "api_key",
		"has a parameter that cannot hold a key; write the name that the vendor documents, for example api_key")
}
