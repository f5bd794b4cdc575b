package providertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func startVolatile(t testing.TB, behaviour Behaviour) (*Server, *clock) {
	t.Helper()
	c := newClock()
	s, err := Start(Config{Volatile: true, Providers: map[string]Behaviour{"op": behaviour}, Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// refreshed goes to the handler without a network, and returns the next refresh
// token; it is empty where there was none.
func refreshed(s *Server, token string) string {
	at, form := s.Endpoints("op"), refreshForm(token)
	if at.AuthStyle == authPost {
		form.Set("client_id", at.ClientID)
		form.Set("client_secret", at.ClientSecret)
	}
	req := httptest.NewRequest(http.MethodPost, at.TokenURL, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if at.AuthStyle == authBasic {
		req.SetBasicAuth(url.QueryEscape(at.ClientID), url.QueryEscape(at.ClientSecret))
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, req)
	var body struct {
		Refresh string `json:"refresh_token"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return body.Refresh
}

func TestAVolatileServerCountsTheSameAndTouchesNoFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, _ := startVolatile(t, Behaviour{Password: true, Users: map[string]string{"alice": password}})
	g := s.Issue("op", "alice")
	next := refreshed(s, g.RefreshToken)
	if refreshed(s, g.RefreshToken) != "" || refreshed(s, next) != "" || refreshed(s, "unheard-of") != "" {
		t.Fatal("refreshed after reuse")
	}
	ledger, err := s.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	want := []Outcome{OK, ReuseRevoked, Dead, Refused}
	for i, p := range ledger.Presentations(Filter{}) {
		if p.N != i+1 || p.Outcome != want[i] || (p.Family == g.Family) != (i < 3) {
			t.Fatalf("recorded %+v, want %s", p, want[i])
		}
	}
	if _, times := ledger.MaxPerToken(); times != 2 {
		t.Fatalf("presented %d times", times)
	}
	if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 0 {
		t.Fatalf("files %v %v", files, err)
	}
}

func TestAVolatileFamilyStaysSmall(t *testing.T) {
	for _, system := range append(Names(), Profiles()...) {
		t.Run(system, func(t *testing.T) {
			behaviour, err := Named(system)
			if err != nil {
				t.Fatal(err)
			}
			behaviour.Alg = "ES256" // cheap
			s, c := startVolatile(t, behaviour)
			g := s.Issue("op", "alice")
			for token := g.RefreshToken; s.Revoked() == 0 && c.Now().Sub(newClock().Now()) < 60*day; c.Add(12 * time.Hour) {
				if next := refreshed(s, token); next != "" {
					token = next
				}
			}
			f, _ := s.family(g.Family)
			if f.end != alive || s.Revoked() != 0 {
				t.Fatal("a token that lived was forgotten")
			}
			// Ten days of old tokens are good at astra, ninety at entra.
			if kept := len(f.refresh); kept > 30 && system != "entra" {
				t.Fatalf("%d refresh tokens are kept", kept)
			}
			if kept := len(f.bearers); kept > remembered+28 {
				t.Fatalf("%d bearers are kept", kept)
			}
			if known := count(&f.at.credentials); known != len(f.refresh) {
				t.Fatalf("%d credentials are known, of a family of %d", known, len(f.refresh))
			}
			if known := count(&f.at.bearers); known != len(f.bearers) || count(&f.at.tokens) != 0 {
				t.Fatalf("%d bearers are known, of a family of %d", known, len(f.bearers))
			}
		})
	}
}

func count(m interface{ Range(func(_, _ any) bool) }) (n int) {
	m.Range(func(_, _ any) bool {
		n++
		return true
	})
	return n
}

func TestAVolatileServerKnowsOldTokensThatAreGood(t *testing.T) {
	astra, _ := Named("astra")
	s, c := startVolatile(t, astra)
	g := s.Issue("op", "alice")
	for range 3 * remembered {
		refreshed(s, g.RefreshToken)
	}
	c.Add(10*day - time.Second)
	if refreshed(s, g.RefreshToken) == "" {
		t.Fatal("a token that is good was forgotten")
	}
}

func TestAVolatileServerStillKnowsARecentReuse(t *testing.T) {
	s, _ := startVolatile(t, Behaviour{})
	tokens := []string{s.Issue("op", "alice").RefreshToken}
	for range remembered - 1 {
		tokens = append(tokens, refreshed(s, tokens[len(tokens)-1]))
	}
	refreshed(s, tokens[0])
	if s.Revoked() != 1 {
		t.Fatalf("a token of %d refreshes ago came back and nothing was revoked", remembered-1)
	}
}

// The half a million presentations of 60 days, as a rate: see ns/op; B/held is what
// one of them leaves behind.
func BenchmarkVolatileRefresh(b *testing.B) {
	for _, system := range []string{"generic", "akoya", "astra", "sdk", "wso2", "nextidentity"} {
		b.Run(system, func(b *testing.B) {
			behaviour, err := Named(system)
			if err != nil {
				b.Fatal(err)
			}
			s, c := startVolatile(b, behaviour)
			tokens := make([]string, 1000)
			for i := range tokens {
				tokens[i] = s.Issue("op", opaque(12)).RefreshToken
			}
			before := held()
			for i := 0; b.Loop(); i++ {
				if i%len(tokens) == 0 {
					c.Add(12 * time.Hour)
				}
				tokens[i%len(tokens)] = refreshed(s, tokens[i%len(tokens)])
			}
			b.ReportMetric((held()-before)/float64(b.N), "B/held")
			runtime.KeepAlive(s)
		})
	}
}

// held is the heap that is in use after a collection, in bytes.
func held() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
