package providers

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/secret"
)

func TestDeadlineFollowsTheReplayRule(t *testing.T) {
	p := profileAt(t, "http://127.0.0.1:1")
	b := budget.Of(budget.Default / 50)
	if got := open(t, p, Options{Budget: b}).Deadline(); got != b.DeadlineOnce {
		t.Errorf("forbidden: %s", got)
	}
	p.Replay = Replay{Kind: ReplaySafe}
	if got := open(t, p, Options{Budget: b}).Deadline(); got != b.Deadline {
		t.Errorf("safe: %s", got)
	}
	if got := open(t, p, Options{}).Deadline(); got != budget.Of(budget.Default).Deadline {
		t.Errorf("without a budget: %s", got)
	}
}

func TestSecretFiles(t *testing.T) {
	p := profileAt(t, "http://127.0.0.1:1")
	log, lines := captured()
	if err := os.Chmod(p.ClientSecretFile, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, p, Options{Log: log})
	if !strings.Contains(lines.String(), "chmod 0600") || strings.Contains(lines.String(), secretCanary) {
		t.Errorf("a readable secret file: %q", lines.String())
	}
	for name, file := range map[string]string{"missing": p.ClientSecretFile + "x", "empty": secretFile(t, "  ")} {
		p.ClientSecretFile = file
		if _, err := New("op", p, Options{}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.ClientSecretFile = secretFile(t, "short")
	p.IDTokenAlgs, p.Issuer = []string{"HS256"}, "x"
	if _, err := New("op", p, Options{}); err == nil || strings.Contains(err.Error(), "short\n") || !strings.Contains(err.Error(), "32 bytes") {
		t.Errorf("a short HMAC secret: %v", err)
	}
}

// Two secrets while one is being rotated: the refused one costs one attempt, not
// a second presentation.
func TestRefusedSecretGivesWayToTheNextAttempt(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, key, _ := r.BasicAuth(); key != "old" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprint(w, goodBody)
	})
	profile := profileAt(t, s.URL)
	profile.ClientSecretFile, profile.ClientSecretFiles = "", []string{secretFile(t, "new"), secretFile(t, "old")}
	p := open(t, profile, Options{})
	for i, want := range []Class{OurFault, OK, OK} {
		if out := refresh(t, p); out.Class != want {
			t.Errorf("attempt %d: %s, %v", i, out.Class, out.Err)
		}
		if got := s.posts.Load(); got != int64(i+1) {
			t.Errorf("%d presentations after %d attempts", got, i+1)
		}
	}
}

// 20 attempts that all used the first secret move on by one, not by twenty.
func TestManyRefusalsOfOneSecretCountOnce(t *testing.T) {
	s, err := readSecrets(Profile{ClientSecretFiles: []string{secretFile(t, "new"), secretFile(t, "old")}}, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, at := s.current()
	for range 20 {
		s.refused(at)
	}
	if v, _ := s.current(); v.Reveal() != "old" {
		t.Fatal("the refused secret is in use again")
	}
}

// An operator mends the secret in its file; the worker is not restarted.
func TestAMendedSecretFileIsReadAfterARefusal(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "mended" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprint(w, goodBody)
	})
	profile := profileAt(t, s.URL)
	file := profile.ClientSecretFile
	p := open(t, profile, Options{})
	for i, step := range []struct {
		write string
		want  Class
	}{{"", OurFault}, {" ", OurFault}, {"mended\n", OurFault}, {"", OK}} {
		if step.write != "" {
			if err := os.WriteFile(file, []byte(step.write), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out := refresh(t, p); out.Class != step.want {
			t.Errorf("attempt %d: %s, %v", i, out.Class, out.Err)
		}
	}
}

func TestConcurrentRefreshesDoNotMix(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"access_token":"for-%s"}`, r.PostFormValue("refresh_token"))
	})
	p := open(t, profileAt(t, s.URL), Options{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			token := fmt.Sprintf("rt-%d", i)
			out := p.Refresh(t.Context(), Request{RefreshToken: secret.New(token)})
			if out.Class != OK || out.Answer.AccessToken.Reveal() != "for-"+token || p.Bearer(out.Answer).Reveal() != "for-"+token {
				t.Errorf("%s: %v", token, out)
			}
		})
	}
	wg.Wait()
	if s.posts.Load() != 64 {
		t.Errorf("%d requests", s.posts.Load())
	}
}

func TestZeroOutcomeClaimsNothing(t *testing.T) {
	var o Outcome
	if o.Class.String() != "ambiguous" || o.Reach.String() != "none" || Class(99).String() != "ambiguous" || Reach(-1).String() != "none" {
		t.Fatalf("%v", o)
	}
}
