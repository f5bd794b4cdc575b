package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// What is sealed says in its associated data what it is: a token set of one
// generation cannot pass for another's, nor an answer for a token set.
const (
	kindTokens = "tokens"
	kindAnswer = "answer"
	// Of a flow: its nonce and verifier, its answer, its tokens.
	kindFlowSecrets = "flow-secrets"
	kindFlowAnswer  = "flow-answer"
	kindFlowTokens  = "flow-tokens"
)

func binding(kind string, a events.Address, consent, generation uint64) seal.Binding {
	return seal.Binding{Kind: kind, Tenant: a.Tenant, Provider: a.Provider, Link: a.Link, Consent: consent, Generation: generation}
}

// unseal opens what was sealed. A value whose key this worker lacks is never a
// verdict on a link: whoever asked puts it off, until the keys file was brought here
// or another worker takes it up.
func (h *Handlers) unseal(b seal.Binding, sealed []byte) ([]byte, error) {
	clear, err := h.Keys.Open(b, sealed)
	if errors.Is(err, seal.ErrUnknownKey) {
		h.Metrics.UnknownKey.Inc()
	}
	return clear, err
}

// forGood marks an error of unseal, unless it ends with the right keys file.
func forGood(err error) error {
	if errors.Is(err, seal.ErrUnknownKey) {
		return err
	}
	return fmt.Errorf("%w: %w", errForGood, err)
}

func (h *Handlers) openTokens(l links.Link) (links.Tokens, error) {
	clear, err := h.unseal(binding(kindTokens, l.Address, l.Consent, l.Generation), l.Sealed)
	if err != nil {
		return links.Tokens{}, fmt.Errorf("open tokens of link %s generation %d: %w", l.Address, l.Generation, err)
	}
	return links.ParseTokens(clear)
}

// SealTokens seals a token set for one generation of a link.
func SealTokens(s Sealer, a events.Address, consent, generation uint64, t links.Tokens) ([]byte, error) {
	clear, err := t.MarshalClear()
	if err != nil {
		return nil, err
	}
	return s.Seal(binding(kindTokens, a, consent, generation), clear)
}

func (h *Handlers) sealAnswer(a events.Address, consent, generation uint64, answer *providers.Answer) ([]byte, error) {
	clear, err := answer.MarshalClear()
	if err != nil {
		return nil, err
	}
	return h.Keys.Seal(binding(kindAnswer, a, consent, generation), clear)
}

func (h *Handlers) openAnswer(a events.Address, consent, generation uint64, sealed []byte) (*providers.Answer, error) {
	clear, err := h.unseal(binding(kindAnswer, a, consent, generation), sealed)
	if err != nil {
		return nil, fmt.Errorf("open saved answer of link %s generation %d: %w", a, generation, err)
	}
	return providers.ParseAnswer(clear)
}

// grant turns an answer into what the record takes over. What the provider left
// out stays as it was (RFC 6749 section 6: the refresh token; OpenID Connect
// Core 12.2: the ID token).
func (h *Handlers) grant(l links.Link, old links.Tokens, a *providers.Answer, v providers.Verified) (links.Grant, error) {
	t := links.Tokens{
		Access: a.AccessToken, Refresh: a.RefreshToken, ID: a.IDToken, Type: a.TokenType,
		Issuer: old.Issuer, Subject: old.Subject, Claims: v.Claims, APIKey: old.APIKey,
	}
	if t.Refresh.IsZero() {
		t.Refresh = old.Refresh
	}
	if t.ID.IsZero() {
		t.ID = old.ID
	}
	if v.Claims == nil {
		t.Claims = old.Claims
	}
	if t.Subject == "" {
		t.Issuer, t.Subject = v.Identity.Issuer, v.Identity.Subject
	}
	sealed, err := SealTokens(h.Keys, l.Address, l.Consent, l.Generation+1, t)
	if err != nil {
		return links.Grant{}, err
	}
	p := h.Providers[l.Provider]
	return links.Grant{
		Fingerprint: p.Bearer(a).Fingerprint(), Refreshable: !t.Refresh.IsZero(), Renewed: !a.RefreshToken.IsZero(), APIKey: !t.APIKey.IsZero(),
		Scopes: a.Scopes, ScopesGiven: a.ScopesGiven, IssuedAt: issuedAt(a, h.Clock()),
		ExpiresAt: a.ExpiresAt, RefreshExpiresAt: a.RefreshExpiresAt, ConsentExpiresAt: a.ConsentExpiresAt,
		Comparison: string(v.Comparison), ClaimsChanged: changed(old.Claims, t.Claims), Sealed: sealed,
	}, nil
}

// changed names the custom claims that are not as they were. Where there were
// none, nothing is known to have changed.
func changed(was, is map[string]json.RawMessage) []string {
	if was == nil || is == nil {
		return nil
	}
	var names []string
	for name, value := range is {
		if !bytes.Equal(was[name], value) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, ok := is[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TokensOpen says whether these keys open a link's tokens. It reveals nothing of them.
func TokensOpen(s Sealer, l links.Link) error {
	_, err := s.Open(binding(kindTokens, l.Address, l.Consent, l.Generation), l.Sealed)
	return err
}
