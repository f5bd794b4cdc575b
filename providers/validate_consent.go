package providers

import (
	"net/url"
	"time"
)

const (
	maxFlowTTL = 24 * time.Hour
	// maxHoldFor stays below the 31 days that a flow and its tokens are kept.
	maxHoldFor = 30 * 24 * time.Hour
)

func (p Profile) checkConsent(c *complaints) {
	secretless := p.CodeAuthStyle != AuthBasic && p.CodeAuthStyle != AuthPost
	oneOf(c, "code_auth_style", p.CodeAuthStyle, AuthBasic, AuthPost, AuthPrivateKeyJWT, AuthMTLS, AuthNone)
	c.unless(secretless || len(p.secretFiles()) > 0, "code_auth_style", "%s needs a client secret; set client_secret_file, or leave it out for a public client", p.CodeAuthStyle)
	c.unless(p.FlowTTL <= maxFlowTTL, "flow_ttl", "%s is longer than a day; write for example 10m", p.FlowTTL)
	c.unless(p.HoldFor <= maxHoldFor, "hold_for", "%s is longer than the 30 days that what waits is kept; write for example 336h", p.HoldFor)
	c.unless(p.IssParameter != IssRequired || p.expectedIssuer() != "", "issuer", "is missing, but iss_parameter is required; write the provider's issuer")
	// A login is issuer, client and sub: an issuer that is written later makes
	// every login another one.
	c.unless(p.UserinfoURL == "" || p.expectedIssuer() != "", "issuer", "is missing beside userinfo_url; write the provider's issuer, or its address if it has none")
	for _, s := range p.Scopes {
		c.unless(validScope.MatchString(s), "scopes", "%q is not one scope; write a list", s)
	}
	u, err := url.Parse(p.AuthorizeURL)
	if err != nil {
		return // checkURLs has said so
	}
	for _, name := range flowParams {
		c.unless(!u.Query().Has(name), "authorize_url", "holds the parameter %s, which every flow sets itself; remove it", name)
	}
}

func (p Profile) checkResources(c *complaints) {
	checkPointer(c, "accounts_ids", p.AccountsIDs)
	next := checkPointer(c, "accounts_next", p.AccountsNext)
	for _, text := range p.CustomerIDs {
		checkPointer(c, "customer_ids", text)
		c.unless(text != "", "customer_ids", "holds an empty pointer; remove it")
	}
	c.unless(p.AccountsURL == "" || p.AccountsIDs != "", "accounts_ids", "is missing beside accounts_url; write where the ids stand, for example /accounts/*/accountId")
	c.unless(p.CustomerURL == "" || len(p.CustomerIDs) > 0, "customer_ids", "is missing beside customer_url; write where the ids stand, for example [/customer/customerId]")
	c.unless(!next.wild(), "accounts_next", "names many places; write the one that has the next page, for example /page/next")
	c.unless(p.AccountsCursorParam == "" || p.AccountsNext != "", "accounts_next", "is missing beside accounts_cursor_param; write where the cursor stands, for example /page/cursor")
}

func checkPointer(c *complaints, field, text string) pointer {
	ptr, err := parsePointer(text)
	if err != nil {
		c.add(field, "%q is no JSON pointer: %s", text, err.Error())
	}
	return ptr
}
