package providers

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// AuthorizeRequest is what one flow asks for. State, Nonce and Challenge are made
// by the caller, at random, once.
type AuthorizeRequest struct {
	State, Nonce string
	// Challenge is base64url(SHA-256(verifier)), 43 characters (RFC 7636, 4.2).
	Challenge   string
	RedirectURI string
	// Scopes to ask for; empty: the profile's.
	Scopes []string
	// Prompt is none, or any of login, consent and select_account, separated by
	// spaces (OIDC Core, 3.1.2.1). Empty: left to the provider.
	Prompt string
	// LoginHint is what the user may be known by at the provider.
	LoginHint string
}

const maxHint = 1024

var (
	validChallenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	validScope     = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`) // RFC 6749, 3.3
	prompts        = []string{"login", "consent", "select_account"}
	// flowParams are what AuthorizeURL writes. A parameter may not come twice (RFC
	// 6749, 3.1), so authorize_url may hold none of them.
	flowParams = []string{"response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "prompt", "login_hint"}
)

// AuthorizeURL is where to send the user's browser: an authorization request for
// a code (RFC 6749, 4.1.1), with PKCE by S256 and a nonce always. The query of
// authorize_url is kept. Errors say what to write and quote nothing of the flow;
// where the profile has no authorize_url it is ErrNotSupported.
func (p *Provider) AuthorizeURL(r AuthorizeRequest) (string, error) {
	if p.profile.AuthorizeURL == "" {
		return "", p.blame("authorize", notSupported("authorize_url"))
	}
	if err := r.check(); err != nil {
		return "", p.errorf("authorize: %w", err)
	}
	scopes := r.Scopes
	if len(scopes) == 0 {
		scopes = p.profile.Scopes
	}
	cfg := oauth2.Config{
		ClientID: p.profile.ClientID, RedirectURL: r.RedirectURI, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: p.profile.AuthorizeURL},
	}
	params := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", r.Nonce),
		oauth2.SetAuthURLParam("code_challenge", r.Challenge),
		oauth2.SetAuthURLParam("code_challenge_method", "S256"),
	}
	for name, value := range map[string]string{"prompt": r.Prompt, "login_hint": r.LoginHint} {
		if value != "" {
			params = append(params, oauth2.SetAuthURLParam(name, value))
		}
	}
	return cfg.AuthCodeURL(r.State, params...), nil
}

func (r AuthorizeRequest) check() error {
	switch {
	case r.State == "" || r.Nonce == "":
		return errors.New("a flow needs a state and a nonce")
	case !validChallenge.MatchString(r.Challenge):
		return errors.New("a flow needs a PKCE challenge: base64url(SHA-256(verifier))")
	case len(r.LoginHint) > maxHint:
		return errors.New("the login hint is longer than 1024 bytes")
	}
	return errors.Join(checkRedirectURI(r.RedirectURI), checkScopes(r.Scopes), checkPrompt(r.Prompt))
}

// checkRedirectURI: absolute and without fragment (RFC 6749, 3.1.2). An app's own
// scheme is as good as https (RFC 8252, 7.1).
func checkRedirectURI(text string) error {
	u, err := url.Parse(text)
	if err != nil || !u.IsAbs() || strings.Contains(text, "#") {
		return errors.New("the redirect URI must be absolute and without #; write the one that is registered at the provider")
	}
	return nil
}

func checkScopes(scopes []string) error {
	for _, s := range scopes {
		if !validScope.MatchString(s) {
			return errors.New("a scope holds a space or another character that scopes may not hold; give them one by one")
		}
	}
	return nil
}

func checkPrompt(prompt string) error {
	if prompt == "" || prompt == "none" {
		return nil
	}
	for _, word := range strings.Split(prompt, " ") {
		if !slices.Contains(prompts, word) {
			return errors.New("prompt is none, or any of login, consent and select_account, separated by spaces")
		}
	}
	return nil
}
