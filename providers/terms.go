package providers

// AuthStyle is how the client authenticates at the token endpoint.
type AuthStyle string

// The styles.
const (
	AuthBasic AuthStyle = "basic" // HTTP Basic, form-encoded first (RFC 6749, 2.3.1)
	AuthPost  AuthStyle = "post"  // client_id and client_secret in the body
	AuthNone  AuthStyle = "none"  // a public client: client_id alone
	// AuthPrivateKeyJWT signs an assertion for each request (RFC 7523, 2.2; OIDC Core, 9).
	AuthPrivateKeyJWT AuthStyle = "private_key_jwt"
	// AuthMTLS shows a certificate in the TLS handshake (RFC 8705, 2).
	AuthMTLS AuthStyle = "mtls"
)

// Rotation is whether a refresh returns a new refresh token.
type Rotation string

// An empty Rotation counts as RotationAlways.
const (
	RotationNone     Rotation = "none"
	RotationOptional Rotation = "optional"
	RotationAlways   Rotation = "always"
)

// OnReuse is what the provider does when it sees a used refresh token again.
type OnReuse string

// An empty OnReuse is unknown.
const (
	ReuseIgnored        OnReuse = "ignore"
	ReuseRefused        OnReuse = "error"
	ReuseRevokesFamily  OnReuse = "revoke_family"
	ReuseRevokesSession OnReuse = "revoke_session"
)

// BearerKind names the token that services send.
type BearerKind string

// An empty BearerKind is BearerAccess.
const (
	BearerAccess BearerKind = "access"
	BearerID     BearerKind = "id"
)

// BearerExpiry names the clock that governs the bearer. Clocks are never mixed:
// an ID token may outlive its access token by weeks.
type BearerExpiry string

// An empty BearerExpiry is ExpiryExpiresIn. ExpiryJWT reads the `exp` of the
// bearer itself; opaque bearers are never parsed.
const (
	ExpiryExpiresIn BearerExpiry = "expires_in"
	ExpiryJWT       BearerExpiry = "jwt_exp"
	ExpiryFixed     BearerExpiry = "fixed"
)

// IDTokenOnRefresh is whether a refresh must return an ID token (OIDC Core 12.2
// leaves it to the provider).
type IDTokenOnRefresh string

// An empty IDTokenOnRefresh is IDTokenOptional.
const (
	IDTokenOptional IDTokenOnRefresh = "optional"
	IDTokenRequired IDTokenOnRefresh = "required"
)

// IssParameter is whether redirects bear `iss` (RFC 9207).
type IssParameter string

// An empty IssParameter is IssOptional.
const (
	IssOptional IssParameter = "optional"
	IssRequired IssParameter = "required"
)

// RevocationScope is what dies when a token is revoked (RFC 7009, 2.1, leaves
// the rest of the grant to the provider).
type RevocationScope string

// An empty RevocationScope is unknown, which counts as RevokesGrant.
const (
	RevokesToken RevocationScope = "token"
	RevokesGrant RevocationScope = "grant"
)

// Policy is what happens when a reconsent names another login.
type Policy string

// An empty Policy is PolicyReplace.
const (
	PolicyReplace  Policy = "replace"
	PolicyHold     Policy = "hold"
	PolicyKeepBoth Policy = "keep_both"
)

// Confidence says how a profile's facts were come by.
type Confidence string

// Vendor's documentation, seen in practice, or neither.
const (
	Documented Confidence = "documented"
	Observed   Confidence = "observed"
	Guessed    Confidence = "guessed"
)

// Grant is a way to a new token set.
type Grant string

// An empty Grant is GrantRefreshToken.
const (
	GrantRefreshToken      Grant = "refresh_token"      // RFC 6749, 6
	GrantAPIKey            Grant = "api_key"            // a vendor's own: see APIKeyGrant
	GrantClientCredentials Grant = "client_credentials" // RFC 6749, 4.4
	GrantPassword          Grant = "password"           // RFC 6749, 4.3
)

// LockBy is what two refreshes may not touch at once.
type LockBy string

// An empty LockBy is LockByLink.
const (
	LockByLink LockBy = "link"
	// LockByLogin: one grant per login at the provider, whoever linked it.
	LockByLogin LockBy = "login"
	// LockByUser: one token per user, however many links the user has.
	LockByUser LockBy = "user"
)
