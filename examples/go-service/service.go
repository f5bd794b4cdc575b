package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
)

// service answers with what the API says of a link's user.
type service struct {
	client        *client.Client
	provider, api string
	log           *slog.Logger
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /links/{link}", s.get)
	return mux
}

// get calls the API with the link's grant. A dead token is reported, waited for and
// replaced on the way: nothing here knows of it. A service whose links are few keeps
// each one's http.Client; the bearers are kept by the client.Client either way.
func (s *service) get(w http.ResponseWriter, r *http.Request) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.api, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	resp, err := s.client.Link(s.provider, r.PathValue("link")).Client().Do(req)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // what is cut off here, the caller notices
}

// refuse says what the caller's user can do about it.
func (s *service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.log.Warn("no answer", "link", r.PathValue("link"), "error", err)
	status, say := http.StatusBadGateway, map[string]string{"error": "try again later"}
	var why *client.Error
	switch {
	case errors.Is(err, client.ErrConsentRequired) && errors.As(err, &why):
		status, say = http.StatusConflict, map[string]string{"error": "log in again", "login": why.Nickname}
	case errors.Is(err, client.ErrNotFound):
		status, say = http.StatusNotFound, map[string]string{"error": "no such link"}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(say)
}

// subscribe logs what a service would act on: a copy of a token that it keeps
// elsewhere, a prompt to its user.
func (s *service) subscribe(ctx context.Context, name string) error {
	return s.client.Subscribe(ctx, client.SubscribeConfig{Name: name, Provider: s.provider},
		client.On(func(_ context.Context, d client.Delivery, e events.TokenRotated) error {
			s.log.Info("token rotated", "link", e.Link, "generation", e.Generation, "late", d.Late)
			return nil
		}),
		client.On(func(_ context.Context, d client.Delivery, e events.ConsentRequired) error {
			s.log.Info("consent required", "link", e.Link, "nickname", e.Nickname, "late", d.Late)
			return nil
		}),
	)
}
