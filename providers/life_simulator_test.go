package providers

import (
	"testing"
	"time"

	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
)

// Each built-in profile against a simulator that was written from the same facts and
// shares no code with it: the three things that providers say, each in its own words,
// mean what they mean, and none of them costs anything but an attempt.
func TestEveryProfileUnderstandsItsProvider(t *testing.T) {
	for _, system := range BuiltinNames() {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			s, p := simulated(t, system)
			token := s.Issue(system, "ada").RefreshToken

			s.SetSecrets(system, "another-secret-that-is-long-enough")
			wantRefused(t, p, token, OurFault)
			s.SetSecrets(system, secretCanary)
			s.Throttle(system, time.Now().Add(time.Hour))
			if out := wantRefused(t, p, token, Refused); (out.RetryAfter - time.Hour).Abs() > time.Minute {
				t.Errorf("Retry-After was read as %s", out.RetryAfter)
			}
			s.Throttle(system, time.Time{})

			out := p.Refresh(t.Context(), Request{RefreshToken: secret.New(token)})
			if out.Class != OK {
				t.Fatalf("after the trouble: %v", out)
			}
			if next := out.Answer.RefreshToken; !next.IsZero() {
				token = next.Reveal()
			}
			s.RevokeAtSite(system, "ada")
			wantRefused(t, p, token, GrantDead)
			if n := s.Revoked(); n != 0 {
				t.Errorf("%d families were revoked for reuse", n)
			}
		})
	}
}

// wantRefused presents a refresh token in vain.
func wantRefused(t *testing.T, p *Provider, token string, want Class) Outcome {
	t.Helper()
	out := p.Refresh(t.Context(), Request{RefreshToken: secret.New(token)})
	if out.Class != want || out.Answer != nil {
		t.Errorf("%v, want %s", out, want)
	}
	return out
}

// A wrong secret is our fault also when a code shows it: judged as the code's, it
// would send one user after another away.
func TestEveryProfileKnowsAWrongSecretByACode(t *testing.T) {
	for _, system := range BuiltinNames() {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			s, p := simulated(t, system)
			s.SetSecrets(system, "another-secret-that-is-long-enough")
			code, _ := s.IssueCode(system, "ada")
			out := p.Exchange(t.Context(), CodeRequest{
				Code: secret.New(code), Verifier: secret.New("verifier"), RedirectURI: "https://app.example/callback",
			})
			if out.Class != OurFault {
				t.Errorf("%v", out)
			}
		})
	}
}

// Where a provider has its own word for a wrong secret, the next secret is tried as
// after invalid_client.
func TestNextSecretInTheProvidersWords(t *testing.T) {
	for _, system := range []string{"github-apps", "slack"} {
		s, p := simulated(t, system, func(p *Profile) {
			p.ClientSecretFiles = []string{secretFile(t, "not-registered-yet"), p.ClientSecretFile}
			p.ClientSecretFile = ""
		})
		token := s.Issue(system, "ada").RefreshToken
		wantRefused(t, p, token, OurFault)
		if out := p.Refresh(t.Context(), Request{RefreshToken: secret.New(token)}); out.Class != OK {
			t.Errorf("%s: the next attempt: %v", system, out)
		}
	}
}

// The built-in profiles and the simulator's systems are the same ones.
func TestEveryProfileIsSimulated(t *testing.T) {
	simulated := map[string]bool{}
	for _, name := range append(providertest.Names(), providertest.Profiles()...) {
		simulated[name] = true
	}
	for _, name := range BuiltinNames() {
		if !simulated[name] {
			t.Errorf("nobody simulates %s", name)
		}
		delete(simulated, name)
	}
	if len(simulated) > 0 {
		t.Errorf("there is no profile for %v", simulated)
	}
}

func TestACompleteConsentHasTheProfilesClocks(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	p := Profile{AccessTTLDefault: time.Hour, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 48 * time.Hour}
	said := at.Add(time.Minute)
	for name, c := range map[string]struct{ a, want Answer }{
		"nothing said": {
			Answer{RequestedAt: at},
			Answer{RequestedAt: at, ExpiresAt: at.Add(time.Hour), RefreshExpiresAt: at.Add(24 * time.Hour), ConsentExpiresAt: at.Add(48 * time.Hour)},
		},
		"all said": {
			Answer{RequestedAt: at, ExpiresAt: said, RefreshExpiresAt: said, ConsentExpiresAt: said},
			Answer{RequestedAt: at, ExpiresAt: said, RefreshExpiresAt: said, ConsentExpiresAt: said},
		},
	} {
		got := p.Complete(c.a)
		if !got.ExpiresAt.Equal(c.want.ExpiresAt) || !got.RefreshExpiresAt.Equal(c.want.RefreshExpiresAt) || !got.ConsentExpiresAt.Equal(c.want.ConsentExpiresAt) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (Profile{}).Complete(Answer{RequestedAt: at}); !got.ConsentExpiresAt.IsZero() || !got.RefreshExpiresAt.IsZero() {
		t.Error("an end was made up")
	}
}
