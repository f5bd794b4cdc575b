package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/secret"
)

func TestR18APasswordIsGivenWhileTheSessionLives(t *testing.T) {
	w := cell(t)
	s, err := w.service(nil).ServeCredentials(t.Context(), "op")
	must(t, err)
	defer s.Stop()
	ask := func(limit time.Duration) (credentials.Credential, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return w.bus.AskCredentials(ctx, first, 1)
	}
	if _, err := ask(200 * time.Millisecond); !errors.Is(err, credentials.ErrNoAnswer) {
		t.Errorf("a session that was never here: %v", err)
	}
	s.Keep("op", "L1", "ada", secret.New("correct horse"))
	got, err := ask(patience)
	must(t, err)
	if got.Username.Reveal() != "ada" || got.Password.Reveal() != "correct horse" {
		t.Error("other credentials")
	}
	s.Forget("op", "L1")
	if _, err := ask(patience); !errors.Is(err, credentials.ErrRefused) {
		t.Errorf("after the logout: %v", err)
	}
	s.Keep("op", "L1", "ada", secret.New("battery staple"))
	if got, err := ask(patience); err != nil || got.Password.Reveal() != "battery staple" {
		t.Errorf("logged in again: %v", err)
	}
	s.Stop()
	if _, err := ask(patience); !errors.Is(err, credentials.ErrNobody) {
		t.Errorf("after the stop: %v", err)
	}
}
