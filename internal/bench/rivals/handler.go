package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// publisher announces a new token.
type publisher func(ctx context.Context, subject, id string, data []byte) error

// handler refreshes the link of a report, once per generation unless it crashes.
type handler struct {
	options
	store   *store
	client  *http.Client
	publish publisher
}

func newHandler(ctx context.Context, o options, publish publisher) (*handler, error) {
	s, err := openStore(ctx, o)
	if err != nil {
		return nil, err
	}
	return &handler{o, s, &http.Client{Timeout: 15 * time.Second}, publish}, nil
}

// report is what the handler reads of a report.
type report struct {
	Data struct {
		Tenant, Provider, Link string
		Generation             uint64
	}
}

// handle returns nil when the report may be acknowledged.
func (h *handler) handle(ctx context.Context, body []byte) (err error) {
	var r report
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	d := r.Data
	lock, err := h.store.lock(ctx, d.Provider, d.Link)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release(context.WithoutCancel(ctx)) }() // it runs out by itself
	have, err := h.store.get(ctx, d.Provider, d.Link)
	if err != nil || have.Generation > d.Generation {
		return err
	}
	next, err := h.refresh(ctx, have)
	if err != nil {
		return err
	}
	if err := h.store.set(ctx, d.Provider, d.Link, next); err != nil {
		return err
	}
	return h.announce(ctx, r, next)
}

func (h *handler) refresh(ctx context.Context, have grant) (next grant, err error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {have.Refresh}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return next, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(h.clientID, h.clientSecret)
	res, err := h.client.Do(req)
	if err != nil {
		return next, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return next, fmt.Errorf("the provider answered %s", res.Status)
	}
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	return grant{have.Generation + 1, answer.Access, answer.Refresh}, err
}

func (h *handler) announce(ctx context.Context, r report, next grant) error {
	d := r.Data
	id := fmt.Sprintf("%s.%s.%s.%d", d.Tenant, d.Provider, d.Link, next.Generation)
	text, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "//rival", "type": "token-rotated", "subject": d.Link, "time": time.Now().UTC(),
		"data": map[string]any{"tenant": d.Tenant, "provider": d.Provider, "link": d.Link, "generation": next.Generation, "previous_generation": d.Generation},
	})
	if err != nil {
		return err
	}
	return h.publish(ctx, fmt.Sprintf("%s.out.%s.%s.%s.token-rotated", h.prefix, d.Tenant, d.Provider, d.Link), id, text)
}
