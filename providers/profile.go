package providers

import "time"

// Profile is what is known of one provider: where it is, who we are to it, and
// how it behaves. Built-in profiles hold behaviour; the operator's config lays
// addresses and credentials over one of them (ParseProfile, ProfileFromNode).
// The zero value of every behavioural field is the careful one.
//
// A Profile is a value; share copies, and do not change its slices.
type Profile struct {
	// Base names the built-in profile that this one started from.
	Base string `yaml:"profile"`
	// App names another provider whose registration, rate limit and breaker this
	// one shares. Empty: the provider is its own app.
	App string `yaml:"app"`

	// Issuer is the `iss` of ID tokens, compared exactly. IssOverride replaces it
	// for providers whose `iss` is not a URL or not their address.
	Issuer      string `yaml:"issuer"`
	IssOverride string `yaml:"iss_override"`
	// TokenURL is the only address that Refresh ever sends a secret to.
	TokenURL      string `yaml:"token_url"`
	AuthorizeURL  string `yaml:"authorize_url"`
	RevocationURL string `yaml:"revocation_url"`
	JWKSURL       string `yaml:"jwks_url"`
	UserinfoURL   string `yaml:"userinfo_url"`
	AccountsURL   string `yaml:"accounts_url"`
	CustomerURL   string `yaml:"customer_url"`
	// AccountsIDs says where account ids stand in the accounts endpoint's reply: a
	// JSON Pointer (RFC 6901) in which `*` is every element, and ~2 a literal `*`.
	AccountsIDs string `yaml:"accounts_ids"`
	// AccountsNext points to the address of the next page, or, with
	// AccountsCursorParam, to what that query parameter of accounts_url takes. A
	// header `Link: <…>; rel="next"` is honoured without it.
	AccountsNext        string `yaml:"accounts_next"`
	AccountsCursorParam string `yaml:"accounts_cursor_param"`
	// CustomerIDs point to what identifies a person in the customer endpoint's reply.
	CustomerIDs []string `yaml:"customer_ids"`

	ClientID string `yaml:"client_id"`
	// ClientSecretFile, or ClientSecretFiles with the newest first: the next one
	// is tried by the next attempt after an answer `invalid_client`. Paths are
	// relative to Options.BaseDir.
	ClientSecretFile  string   `yaml:"client_secret_file"`
	ClientSecretFiles []string `yaml:"client_secret_files"`
	// ClientKeyFile is the private key of private_key_jwt and mtls, PEM or JWK;
	// ClientCertFile the certificate of mtls, PEM.
	ClientKeyFile  string `yaml:"client_key_file"`
	ClientCertFile string `yaml:"client_cert_file"`
	// ClientKeyID is the key's id at the provider. ClientKeyAlg is left out for what
	// goes with the key: RS256, ES256, ES384, ES512 or EdDSA.
	ClientKeyID  string `yaml:"client_key_id"`
	ClientKeyAlg string `yaml:"client_key_alg"`
	// ClientAssertionAudience is the `aud` of assertions. Empty: TokenURL.
	ClientAssertionAudience string `yaml:"client_assertion_audience"`
	// AuthStyle has no default: x/oauth2 finds the style of an unknown provider by
	// presenting the refresh token a second time.
	AuthStyle AuthStyle `yaml:"auth_style"`
	// CodeAuthStyle is for authorization codes. Empty: AuthStyle.
	CodeAuthStyle AuthStyle `yaml:"code_auth_style"`
	Scopes        []string  `yaml:"scopes"`
	// IssParameter is whether redirects bear `iss` (RFC 9207).
	IssParameter IssParameter `yaml:"iss_parameter"`
	// FlowTTL is how long a user may take to consent; 0: 10 minutes.
	FlowTTL time.Duration `yaml:"flow_ttl"`

	// Grants are the ways to a new token set, each tried once the one before it is
	// dead or the link has no credential for it. None: [refresh_token].
	Grants []Grant     `yaml:"grants"`
	APIKey APIKeyGrant `yaml:"api_key"`
	// LockBy is what a refresh locks. Empty: the link.
	LockBy LockBy `yaml:"lock_by"`

	Rotation Rotation `yaml:"rotation"`
	Replay   Replay   `yaml:"replay"`
	OnReuse  OnReuse  `yaml:"on_reuse"`
	// NewRefreshInvalidatesOldAccess: one live bearer at a time; subscribers must
	// drop their caches on every rotation.
	NewRefreshInvalidatesOldAccess bool `yaml:"new_refresh_invalidates_old_access"`
	// PreviousStillValid: the previous bearer lives on to its own expiry. Left
	// out, it is the opposite of NewRefreshInvalidatesOldAccess.
	PreviousStillValid *bool `yaml:"previous_still_valid"`
	// LastChance presents a forbidden token once more when nothing is left to lose.
	LastChance bool `yaml:"last_chance"`

	Bearer BearerKind `yaml:"bearer"`
	// BearerExpiry names the clock that governs the bearer. Empty: expires_in.
	BearerExpiry BearerExpiry `yaml:"bearer_expiry"`
	// AccessTTLDefault is the bearer's life where the response gives none; 0: unknown.
	AccessTTLDefault time.Duration `yaml:"access_ttl_default"`
	// RefreshIdle is how long an unused refresh token lives, counted from the
	// request that returned or used it. RefreshAbsolute is counted from consent.
	RefreshIdle     time.Duration `yaml:"refresh_idle"`
	RefreshAbsolute time.Duration `yaml:"refresh_absolute"`
	// RefreshExpiryFields are response fields that give the refresh token's life
	// in seconds; the first one present counts.
	RefreshExpiryFields []string `yaml:"refresh_expiry_fields"`
	// AbsoluteExpiryField is the response field that gives the life of the whole
	// consent in seconds.
	AbsoluteExpiryField string `yaml:"absolute_expiry_field"`

	// IDTokenAlgs pins the signature algorithms of ID tokens. Empty: ID tokens
	// are not verified and prove nothing.
	IDTokenAlgs      []string         `yaml:"id_token_algs"`
	IDTokenOnRefresh IDTokenOnRefresh `yaml:"id_token_on_refresh"`
	// IDTokenOnCode is the same for codes. Write required wherever logins must
	// always be compared: a user can take `openid` out of the authorize URL.
	IDTokenOnCode IDTokenOnRefresh `yaml:"id_token_on_code"`

	// RenewAt is the fraction of the bearer's life at which to renew ahead of
	// need; 0: only on demand.
	RenewAt float64 `yaml:"renew_at"`
	// RenewMargin is how long before expiry a report `expiring` is due.
	RenewMargin time.Duration `yaml:"renew_margin"`
	// MinInterval is the least time between two refreshes of one link.
	MinInterval time.Duration `yaml:"min_interval"`
	// KeepAlive is the age at which an unused refresh token is renewed so that it
	// does not die idle; 0: never.
	KeepAlive time.Duration `yaml:"keep_alive"`
	// PromptBefore says how long before the first of a link's clocks ends its user is
	// asked to consent again, for example [168h, 24h]. Clocks that are kept alive do
	// not count. None: only once the link has ended.
	PromptBefore []time.Duration `yaml:"prompt_before"`
	// Concurrency is the number of refreshes that one worker runs at once.
	Concurrency int  `yaml:"concurrency"`
	Rate        Rate `yaml:"rate"`

	// MaxLiveGrants is how many grants per user and app the provider keeps; 0: unknown.
	MaxLiveGrants       int  `yaml:"max_live_grants"`
	RevokeKillsSiblings bool `yaml:"revoke_kills_sibling_grants"`
	// RevocationScope is what dies with a revoked token.
	RevocationScope  RevocationScope `yaml:"revocation_scope"`
	OnDifferentLogin Policy          `yaml:"on_different_login"`
	// HoldFor is how long a held replacement waits for a decision; 0: 14 days.
	HoldFor time.Duration `yaml:"hold_for"`

	TerminalAliases []Sign `yaml:"terminal_aliases"`
	ConfigAliases   []Sign `yaml:"config_aliases"`
	TransientCodes  []Sign `yaml:"transient_codes"`
	// AmbiguousCodes are errors after which the token may be consumed all the same,
	// where the status does not say so: those of a server that answers its own
	// troubles with 200 or 400.
	AmbiguousCodes          []Sign `yaml:"ambiguous_codes"`
	SuccessStatusErrors     bool   `yaml:"success_status_errors"`
	Unavailable503IsRefusal bool   `yaml:"unavailable_503_is_refusal"`

	// AllowLoopback permits http and addresses of this host; AllowPrivate permits
	// private networks, over https. Link-local addresses are never permitted.
	AllowLoopback bool `yaml:"allow_loopback"`
	AllowPrivate  bool `yaml:"allow_private"`

	// Provenance of the behavioural facts.
	Source     string     `yaml:"source_url"`
	VerifiedOn string     `yaml:"verified_on"`
	Confidence Confidence `yaml:"confidence"`
}

// Rate is the provider's published limit per app: Limit requests in Window. The
// zero Rate is no known limit.
type Rate struct {
	Limit  int           `yaml:"limit"`
	Window time.Duration `yaml:"window"`
}

// APIKeyGrant is how a vendor exchanges an API key for tokens: a POST to token_url
// that names the key. The zero APIKeyGrant is `grant_type=api_key&api_key=<the key>`.
type APIKeyGrant struct {
	GrantType string `yaml:"grant_type"`
	Parameter string `yaml:"parameter"`
}

// PreviousLives says whether the previous bearer stays usable after a refresh.
func (p Profile) PreviousLives() bool {
	if p.PreviousStillValid != nil {
		return *p.PreviousStillValid
	}
	return !p.NewRefreshInvalidatesOldAccess
}
