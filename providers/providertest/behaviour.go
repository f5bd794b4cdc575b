package providertest

import (
	"fmt"
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
	// gets the first pair again.
	Grace    time.Duration
	SamePair bool
	// UntilSuccessorUsed tolerates a replay until a bearer or refresh token that
	// came of the first redemption was used. A Grace, if set, bounds it.
	UntilSuccessorUsed bool

	// SingleActive means one live bearer per subject: issuing one kills the others.
	SingleActive bool
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
	// RefreshTTL is the life of each refresh token; zero is for ever.
	RefreshTTL time.Duration
	// RefreshExpiryField names the response field with RefreshTTL in seconds; empty sends none.
	RefreshExpiryField string
	// OmitRefreshToken leaves the refresh token out of refresh answers. Only with None.
	OmitRefreshToken bool

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

	// Delay is how long an answer is withheld, after the token was consumed: who
	// gives up before has spent it.
	Delay time.Duration

	// AuthStyle is the only client authentication accepted: basic (also if empty) or post.
	// CodeAuthStyle is the same for authorization codes; empty is AuthStyle.
	AuthStyle, CodeAuthStyle string
	// ClientID and ClientSecret are made up if empty; see Endpoints.
	ClientID, ClientSecret string

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
	set(&b.DeadDescription, "Unknown or invalid refresh token.")
	set(&b.AuthStyle, "basic")
	set(&b.CodeAuthStyle, b.AuthStyle)
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

// check refuses what contradicts itself, after withDefaults.
func (b Behaviour) check() error {
	switch {
	case b.OmitRefreshToken && b.Rotation != None:
		return fmt.Errorf("OmitRefreshToken: a rotating provider that hides the new refresh token can never be refreshed again; set Rotation: None")
	case b.BearerID && !b.IDTokens:
		return fmt.Errorf("BearerID: needs IDTokens: true")
	case !known(b.AuthStyle) || !known(b.CodeAuthStyle):
		return fmt.Errorf("AuthStyle %q, CodeAuthStyle %q: write basic or post", b.AuthStyle, b.CodeAuthStyle)
	case b.Alg != "RS256" && b.Alg != "ES256" && b.Alg != "HS256":
		return fmt.Errorf("alg %q: write RS256, ES256 or HS256", b.Alg)
	case b.Alg == "HS256" && len(b.ClientSecret) < 32:
		return fmt.Errorf("ClientSecret: HS256 needs 32 characters or more (RFC 7518, 3.2)")
	case min(b.AccessLen, b.RefreshLen, b.CodeLen) < 12:
		return fmt.Errorf("AccessLen, RefreshLen and CodeLen must be 12 or more")
	case b.AccountsPage < 0:
		return fmt.Errorf("AccountsPage %d: write 0 for one page of all", b.AccountsPage)
	}
	return nil
}

func known(authStyle string) bool { return authStyle == "basic" || authStyle == "post" }

// signs says whether the provider issues any JWT.
func (b Behaviour) signs() bool { return b.IDTokens || b.AccessJWT }
