package providers

import (
	"cmp"
	"testing"

	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
)

// simulated is a built-in profile against the simulator of the same system, which
// shares no code with this package.
func simulated(t *testing.T, system string, changes ...func(*Profile)) (*providertest.Server, *Provider) {
	t.Helper()
	behaviour, err := providertest.Named(system)
	if err != nil {
		t.Fatal(err)
	}
	behaviour.ClientID, behaviour.ClientSecret = "client-1", secretCanary
	s, err := providertest.Start(providertest.Config{Volatile: true, Providers: map[string]providertest.Behaviour{system: behaviour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	profile := builtin(t, system)
	profile.TokenURL, profile.AllowLoopback = s.Endpoints(system).TokenURL, true
	profile.ClientID, profile.ClientSecretFile = "client-1", secretFile(t, secretCanary)
	profile.AuthStyle = cmp.Or(profile.AuthStyle, AuthBasic) // generic leaves it to the operator
	if len(profile.IDTokenAlgs) > 0 {
		profile.Issuer, profile.JWKSURL = s.Endpoints(system).Issuer, s.Endpoints(system).JWKSURL
	}
	for _, change := range changes {
		change(&profile)
	}
	return s, open(t, profile, Options{})
}

// A device that loses its token to another gets a new one for the password, and only
// for the right one.
func TestR18PasswordAgainstWSO2(t *testing.T) {
	s, p := simulated(t, "wso2")
	s.SetPassword("wso2", "ada", passwordCanary)
	request := Request{Grant: GrantPassword, Username: secret.New("ada"), Password: secret.New(passwordCanary)}
	first := p.Refresh(t.Context(), request)
	if first.Class != OK || first.Answer.RefreshToken.IsZero() {
		t.Fatal(first)
	}
	s.ForeignLogin("wso2", "ada")
	if s.Alive(first.Answer.AccessToken.Reveal()) {
		t.Fatal("two devices have a token")
	}
	second := p.Refresh(t.Context(), request)
	if second.Class != OK || !s.Alive(second.Answer.AccessToken.Reveal()) {
		t.Fatal(second)
	}
	request.Password = secret.New("another")
	if wrong := p.Refresh(t.Context(), request); wrong.Class != GrantDead || wrong.Code != codeInvalidGrant {
		t.Fatalf("a wrong password: %v", wrong)
	}
	again := p.Refresh(t.Context(), Request{RefreshToken: second.Answer.RefreshToken})
	if again.Class != OK {
		t.Fatalf("the refresh token, after a wrong password: %v", again)
	}
}

// The chain of sdk, link by link: the refresh token, once dead the key, once revoked
// nothing.
func TestR20ChainAgainstSDK(t *testing.T) {
	s, p := simulated(t, "sdk")
	key := s.IssueAPIKey("sdk", "ada")
	withKey := Request{Grant: GrantAPIKey, APIKey: secret.New(key)}
	pair := p.Refresh(t.Context(), withKey)
	if pair.Class != OK || pair.Answer.RefreshToken.IsZero() || pair.Answer.ExpiresAt.IsZero() {
		t.Fatal(pair)
	}
	family, ok := s.FamilyOf(pair.Answer.RefreshToken.Reveal())
	if !ok || !s.KillGrant(family) {
		t.Fatal("the family is not there")
	}
	if dead := p.Refresh(t.Context(), Request{RefreshToken: pair.Answer.RefreshToken}); dead.Class != GrantDead {
		t.Fatalf("the refresh token: %v", dead)
	}
	if next := p.Refresh(t.Context(), withKey); next.Class != OK {
		t.Fatalf("the key: %v", next)
	}
	s.RevokeAPIKey("sdk", key)
	if end := p.Refresh(t.Context(), withKey); end.Class != GrantDead {
		t.Fatalf("a revoked key: %v", end)
	}
}
