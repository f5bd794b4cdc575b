package providers

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4"
)

var validName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// asymmetric and symmetric are the signature algorithms that can be pinned.
// `none` is in neither.
var (
	asymmetric = []string{
		string(jose.RS256), string(jose.RS384), string(jose.RS512), string(jose.PS256), string(jose.PS384), string(jose.PS512),
		string(jose.ES256), string(jose.ES384), string(jose.ES512), string(jose.EdDSA),
	}
	symmetric = []string{string(jose.HS256), string(jose.HS384), string(jose.HS512)}
)

// complaints collects everything that is wrong, so that an operator mends a
// config in one go.
type complaints struct {
	name string
	list []error
}

func (c *complaints) add(field, format string, args ...any) {
	c.list = append(c.list, fmt.Errorf("providers.%s.%s: %s", c.name, field, fmt.Sprintf(format, args...)))
}

func (c *complaints) unless(ok bool, field, format string, args ...any) {
	if !ok {
		c.add(field, format, args...)
	}
}

// Validate reports everything that keeps the profile from being used, naming
// each field and what to write.
func (p Profile) Validate(name string) error {
	c := &complaints{name: name}
	if !validName.MatchString(name) {
		c.list = append(c.list, fmt.Errorf("providers.%s: a provider's name is 1 to 32 of a-z, 0-9 and -", name))
	}
	p.checkWords(c)
	p.checkCredentials(c)
	p.checkGrants(c)
	p.checkTimes(c)
	p.checkIDTokens(c)
	p.checkURLs(c)
	p.checkConsent(c)
	p.checkResources(c)
	return errors.Join(c.list...)
}

func oneOf[T ~string](c *complaints, field string, got T, allowed ...T) {
	if got == "" || slices.Contains(allowed, got) {
		return
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	c.add(field, "%q is not known; write one of %s", string(got), strings.Join(words, ", "))
}

func (p Profile) checkWords(c *complaints) {
	oneOf(c, "rotation", p.Rotation, RotationNone, RotationOptional, RotationAlways)
	oneOf(c, "on_reuse", p.OnReuse, ReuseIgnored, ReuseRefused, ReuseRevokesFamily, ReuseRevokesSession)
	oneOf(c, "bearer", p.Bearer, BearerAccess, BearerID)
	oneOf(c, "bearer_expiry", p.BearerExpiry, ExpiryExpiresIn, ExpiryJWT, ExpiryFixed)
	oneOf(c, "id_token_on_refresh", p.IDTokenOnRefresh, IDTokenOptional, IDTokenRequired)
	oneOf(c, "id_token_on_code", p.IDTokenOnCode, IDTokenOptional, IDTokenRequired)
	oneOf(c, "iss_parameter", p.IssParameter, IssOptional, IssRequired)
	oneOf(c, "revocation_scope", p.RevocationScope, RevokesToken, RevokesGrant)
	oneOf(c, "on_different_login", p.OnDifferentLogin, PolicyReplace, PolicyHold, PolicyKeepBoth)
	oneOf(c, "lock_by", p.LockBy, LockByLink, LockByLogin, LockByUser)
	oneOf(c, "confidence", p.Confidence, Documented, Observed, Guessed)
}

func (p Profile) checkCredentials(c *complaints) {
	c.unless(p.ClientID != "", "client_id", "is missing; write the id that the provider gave your app")
	files := p.secretFiles()
	both := p.ClientSecretFile != "" && len(p.ClientSecretFiles) > 0
	c.unless(!both, "client_secret_files", "stands beside client_secret_file; keep one of the two")
	switch p.AuthStyle {
	case AuthBasic, AuthPost:
		c.unless(len(files) > 0, "client_secret_file", "is missing; write the path of a file that holds the secret, or set auth_style: none for a public client")
	case AuthNone:
		c.unless(len(files) == 0, "client_secret_file", "is set, but auth_style is none; remove one of the two")
	case AuthPrivateKeyJWT, AuthMTLS:
	case "":
		c.add("auth_style", "is missing; write basic, post, private_key_jwt, mtls or none as the provider documents it: guessing presents the refresh token twice")
	default:
		c.add("auth_style", "%q is not known; write basic, post, private_key_jwt, mtls or none", string(p.AuthStyle))
	}
	p.checkKeys(c)
}

// checkKeys: what signs or shows a certificate needs both its files, and what does
// not is not given any.
func (p Profile) checkKeys(c *complaints) {
	signs := p.AuthStyle == AuthPrivateKeyJWT || p.CodeAuthStyle == AuthPrivateKeyJWT
	shows := p.AuthStyle == AuthMTLS || p.CodeAuthStyle == AuthMTLS
	c.unless(!signs && !shows || p.ClientKeyFile != "", "client_key_file", "is missing; write the path of the client's private key")
	c.unless(!shows || p.ClientCertFile != "", "client_cert_file", "is missing; write the path of the client's certificate")
	c.unless(signs || shows || p.ClientKeyFile == "", "client_key_file", "is set, but auth_style is neither private_key_jwt nor mtls; remove one of the two")
	c.unless(p.ClientKeyAlg == "" || slices.Contains(asymmetric, p.ClientKeyAlg), "client_key_alg", "%q does not sign assertions; write for example PS256", p.ClientKeyAlg)
}

func (p Profile) checkTimes(c *complaints) {
	windowed := p.Replay.Kind == ReplayGrace || p.Replay.Kind == ReplayUntilSuccessorUsed
	c.unless(windowed == (p.Replay.Window > 0), "replay", "%s needs a duration exactly where it is a window: {grace: 30s} or {until_successor_used: 720h}", p.Replay.Kind)
	c.unless(p.Rotation != RotationNone || !windowed, "replay", "a window makes no sense with rotation: none; write safe or forbidden")
	c.unless(!p.LastChance || p.Replay.Kind == ReplayForbidden, "last_chance", "belongs to replay: forbidden; remove it")
	c.unless(p.RenewAt >= 0 && p.RenewAt < 1, "renew_at", "%v is no fraction of the bearer's life; write 0 (on demand) or for example 0.8", p.RenewAt)
	c.unless(p.Concurrency >= 0, "concurrency", "is negative; write the number of refreshes at once, for example 64")
	c.unless(p.BearerExpiry != ExpiryFixed || p.AccessTTLDefault > 0, "access_ttl_default", "is missing, but bearer_expiry is fixed; write the bearer's life, for example 2h")
	c.unless(p.RefreshIdle == 0 || p.KeepAlive < p.RefreshIdle, "keep_alive", "%s is not before refresh_idle %s; write less", p.KeepAlive, p.RefreshIdle)
	c.unless(p.Rate.Limit >= 0 && (p.Rate.Limit == 0 || p.Rate.Window > 0), "rate", "needs a window; write {limit: 10, window: 10m}")
	for _, before := range p.PromptBefore {
		c.unless(before > 0, "prompt_before", "%s is no time before an end; write for example [168h, 24h]", before)
	}
	for field, d := range map[string]int64{
		"renew_margin": int64(p.RenewMargin), "min_interval": int64(p.MinInterval), "keep_alive": int64(p.KeepAlive),
		"flow_ttl": int64(p.FlowTTL), "hold_for": int64(p.HoldFor),
		"access_ttl_default": int64(p.AccessTTLDefault), "refresh_idle": int64(p.RefreshIdle), "refresh_absolute": int64(p.RefreshAbsolute),
	} {
		c.unless(d >= 0, field, "is negative; write a duration such as 30s")
	}
}

func (p Profile) checkIDTokens(c *complaints) {
	remote := false
	for _, alg := range p.IDTokenAlgs {
		switch {
		case slices.Contains(asymmetric, alg):
			remote = true
		case slices.Contains(symmetric, alg):
			c.unless(len(p.secretFiles()) > 0, "id_token_algs", "%s verifies with the client secret, and there is none; remove it", alg)
		default:
			c.add("id_token_algs", "%q cannot be pinned; write for example [RS256]", alg)
		}
	}
	c.unless(!remote || p.JWKSURL != "", "jwks_url", "is missing; write where the provider publishes its keys, or id_token_algs: [] to leave ID tokens unverified")
	c.unless(p.JWKSURL == "" || remote, "id_token_algs", "is missing beside jwks_url; pin the provider's algorithms, for example [RS256]")
	c.unless(len(p.IDTokenAlgs) == 0 || p.expectedIssuer() != "", "issuer", "is missing; write the `iss` of the provider's ID tokens (iss_override where it is no URL)")
}

func (p Profile) checkURLs(c *complaints) {
	c.unless(p.TokenURL != "", "token_url", "is missing; write the provider's token endpoint")
	for _, u := range []struct{ field, text string }{
		{"token_url", p.TokenURL}, {"authorize_url", p.AuthorizeURL}, {"revocation_url", p.RevocationURL}, {"jwks_url", p.JWKSURL},
		{"userinfo_url", p.UserinfoURL}, {"accounts_url", p.AccountsURL}, {"customer_url", p.CustomerURL},
	} {
		if u.text != "" {
			p.checkURL(c, u.field, u.text)
		}
	}
}

// checkURL never quotes the URL: an operator may have put a key into its query.
func (p Profile) checkURL(c *complaints, field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		c.add(field, "is no URL; write https://host/path")
		return
	}
	c.unless(u.User == nil && u.Fragment == "", field, "must hold no credentials and no fragment; remove what stands before @ or after #")
	c.unless(!strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r > unicode.MaxASCII }), field,
		"must name its host as the network does, in ASCII (xn--…)")
	addr, notAddr := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || notAddr == nil && addr.Unmap().IsLoopback()
	c.unless(u.Scheme == "https" || u.Scheme == "http" && local && p.AllowLoopback, field,
		"must begin with https:// (http:// is for this host only, with allow_loopback: true)")
	switch {
	case notAddr == nil:
		if err := p.addressRule().check(addr); err != nil {
			c.add(field, "%s", err.Error())
		}
	case local:
		c.unless(p.AllowLoopback, field, "names this host; set allow_loopback: true if that is meant")
	}
}

func (p Profile) addressRule() addressRule {
	return addressRule{loopback: p.AllowLoopback, private: p.AllowPrivate}
}

func (p Profile) expectedIssuer() string {
	if p.IssOverride != "" {
		return p.IssOverride
	}
	return p.Issuer
}

func (p Profile) secretFiles() []string {
	if p.ClientSecretFile != "" {
		return []string{p.ClientSecretFile}
	}
	return p.ClientSecretFiles
}
