package providertest

import (
	"crypto"
	"net/http"
	"time"
)

// Rotation is what a refresh does to the refresh token.
type Rotation int

const (
	// Always gives a new refresh token and consumes the presented one.
	Always Rotation = iota
	// None keeps the refresh token for the life of the grant.
	None
	// ReusableUntilExpiry gives a new refresh token and leaves the presented one
	// usable until its own expiry.
	ReusableUntilExpiry
)

// OnReuse is what happens when a consumed refresh token comes back outside every
// window of tolerance.
type OnReuse int

const (
	// RevokeFamily ends the family: all its refresh tokens and bearers (RFC 9700, 4.14.2).
	RevokeFamily OnReuse = iota
	// Refuse answers the dead-token error and leaves the rest of the family alone.
	Refuse
)

// Behaviour is one provider's token semantics. The zero value rotates always,
// revokes on reuse, tolerates nothing, and issues opaque bearers of one hour.
type Behaviour struct {
	Rotation Rotation
	OnReuse  OnReuse

	// Grace tolerates a replay of a consumed token this long after its first
	// redemption, as long as no refresh token that came of it was redeemed.
	// Each replay gets a new pair, and earlier pairs stay good; with SamePair it
	// gets the first pair again, with SameSuccessor the first refresh token beside
	// fresh bearers.
	Grace         time.Duration
	SamePair      bool
	SameSuccessor bool
	// UntilSuccessorUsed tolerates a replay until a bearer or refresh token that
	// came of the first redemption was used. A Grace, if set, bounds it.
	UntilSuccessorUsed bool

	// SingleActive means one live bearer per subject: issuing one kills the others.
	SingleActive bool
	// RefreshEndsBearers makes a refresh end the bearers that its own family had.
	RefreshEndsBearers bool
	// SingleGrant means one live family per subject: a new grant ends the others.
	SingleGrant bool
	// EarlierBearersDie makes a new grant end the bearers that its subject has; the
	// refresh tokens beside them stay good. SingleGrant ends both.
	EarlierBearersDie bool
	// RevokeSiblings makes a revocation end all families of the subject.
	RevokeSiblings bool

	// AccessTTL is the life of access tokens; zero is one hour.
	AccessTTL time.Duration
	// CodeTTL is the life of authorization codes; zero is ten minutes, the most that
	// RFC 6749, 4.1.2 recommends.
	CodeTTL time.Duration
	// A refresh token ends at the first of three ends, each for ever if zero:
	// RefreshTTL after its issue, RefreshIdle after it was issued or last redeemed,
	// RefreshAbsolute after the first refresh token of its family.
	RefreshTTL, RefreshIdle, RefreshAbsolute time.Duration
	// RefreshExpiryField names the response field with the seconds until the refresh
	// token ends, AbsoluteExpiryField that with what is left of RefreshAbsolute;
	// empty sends none.
	RefreshExpiryField, AbsoluteExpiryField string
	// OmitRefreshToken leaves the refresh token out of refresh answers. Only with None.
	OmitRefreshToken bool
	// RefreshOnce leaves it out of the answer to a code too, while the subject has
	// another live grant and was not asked with prompt=consent.
	RefreshOnce bool

	// IDTokens adds an ID token to every answer, IDTTL its life (zero: AccessTTL).
	IDTokens bool
	IDTTL    time.Duration
	// BearerID makes the ID token what the resource accepts.
	BearerID bool
	// AccessJWT makes access tokens JWTs (RFC 9068).
	AccessJWT bool
	// Alg signs JWTs: RS256 (also if empty), ES256, or HS256 under the client secret.
	Alg string

	// Dead* is the answer to a refresh token that is not good (any more); zero
	// values are 400, invalid_grant and a sentence.
	DeadStatus      int
	DeadCode        string
	DeadDescription string
	// ExpiredDescription is said of one that outlived itself; empty is DeadDescription.
	ExpiredDescription string
	// ClientCode is the error that a client with a wrong secret is told; empty is
	// invalid_client.
	ClientCode string
	// ErrorsAre200 sends every OAuth error of the token endpoint with status 200;
	// OKField says in a field "ok" which answers are none.
	ErrorsAre200, OKField bool
	// ResourceCode is sent as "code" with the 401 of the data endpoints; zero is none.
	ResourceCode int

	// ClientCredentials allows RFC 6749, 4.4: a bearer of the client's own, whose sub
	// is the client_id, and no refresh token.
	ClientCredentials bool
	// Password allows RFC 6749, 4.3. Users are logins, which are their subs too, and
	// passwords; see SetPassword.
	Password bool
	Users    map[string]string
	// APIKeys allows a key of IssueAPIKey to begin a family. It is shown as
	// APIKeyParam under the grant type APIKeyGrant; both are "api_key" if empty.
	APIKeys                  bool
	APIKeyGrant, APIKeyParam string

	// Rate limits the token endpoint; the zero Rate does not.
	Rate Rate

	// Delay is how long an answer is withheld, after the token was consumed: who
	// gives up before has spent it.
	Delay time.Duration

	// AuthStyle is the only client authentication accepted: basic (also if empty),
	// post, private_key_jwt or none. CodeAuthStyle is the same for authorization
	// codes; empty is AuthStyle.
	AuthStyle, CodeAuthStyle string
	// ClientID and ClientSecret are made up if empty; see Endpoints and SetSecrets.
	ClientID, ClientSecret string
	// ClientKey is the registered public key for private_key_jwt.
	ClientKey crypto.PublicKey

	// RedirectURIs are registered and matched character by character (RFC 9700,
	// 2.1). Empty accepts every absolute http or https URI without a fragment.
	RedirectURIs []string
	// OmitIss leaves iss out of authorization responses; otherwise RFC 9207 holds.
	OmitIss bool
	// SessionTTL is how long a browser stays logged in: until then an authorize
	// request that does not ask for a prompt is answered at once, for whoever it is.
	// Zero keeps no sessions.
	SessionTTL time.Duration
	// AccountsPage is how many accounts a page lists; zero lists them all on one.
	AccountsPage int

	// AccessLen, RefreshLen and CodeLen are lengths of opaque credentials in
	// characters; zero is 32. Less than 12 is refused: they would collide.
	AccessLen, RefreshLen, CodeLen int
}

// withDefaults fills in what the zero values stand for.
func (b Behaviour) withDefaults(name string) Behaviour {
	set(&b.AccessTTL, time.Hour)
	set(&b.IDTTL, b.AccessTTL)
	set(&b.CodeTTL, 10*time.Minute)
	set(&b.Alg, "RS256")
	set(&b.DeadStatus, http.StatusBadRequest)
	set(&b.DeadCode, "invalid_grant")
	set(&b.ClientCode, "invalid_client")
	set(&b.DeadDescription, "Unknown or invalid refresh token.")
	set(&b.AuthStyle, "basic")
	set(&b.CodeAuthStyle, b.AuthStyle)
	set(&b.ExpiredDescription, b.DeadDescription)
	set(&b.APIKeyGrant, KindAPIKey)
	set(&b.APIKeyParam, KindAPIKey)
	set(&b.ClientID, "regrant-"+name)
	set(&b.ClientSecret, opaque(48))
	set(&b.AccessLen, 32)
	set(&b.RefreshLen, 32)
	set(&b.CodeLen, 32)
	return b
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// signs says whether the provider issues any JWT.
func (b Behaviour) signs() bool { return b.IDTokens || b.AccessJWT }
