package handlers

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// flowSecrets never leave the workers: without the verifier a code is useless,
// and without the nonce an ID token proves nothing.
type flowSecrets struct{ Nonce, Verifier secret.Value }

type clearFlowSecrets struct {
	Nonce    string `json:"nonce,omitzero"`
	Verifier string `json:"verifier,omitzero"`
}

// flowBinding binds what is sealed to its flow: what belongs to one flow of a link
// does not open as another's.
func flowBinding(kind string, f consents.Flow) seal.Binding {
	return seal.Binding{Kind: kind + "/" + f.ID, Tenant: f.Tenant, Provider: f.Provider, Link: f.Link}
}

func (h *Handlers) sealFlowSecrets(f consents.Flow, s flowSecrets) ([]byte, error) {
	clear, err := json.Marshal(clearFlowSecrets{Nonce: s.Nonce.Reveal(), Verifier: s.Verifier.Reveal()})
	if err != nil {
		return nil, err
	}
	return h.Keys.Seal(flowBinding(kindFlowSecrets, f), clear)
}

func (h *Handlers) openFlowSecrets(f consents.Flow) (flowSecrets, error) {
	clear, err := h.openFlow(kindFlowSecrets, f, f.Secrets)
	if err != nil {
		return flowSecrets{}, err
	}
	var c clearFlowSecrets
	if json.Unmarshal(clear, &c) != nil {
		return flowSecrets{}, errors.New("sealed secrets of a flow are not in the form we write")
	}
	return flowSecrets{Nonce: secret.New(c.Nonce), Verifier: secret.New(c.Verifier)}, nil
}

func (h *Handlers) sealFlowAnswer(f consents.Flow, a *providers.Answer) ([]byte, error) {
	clear, err := a.MarshalClear()
	if err != nil {
		return nil, err
	}
	return h.Keys.Seal(flowBinding(kindFlowAnswer, f), clear)
}

func (h *Handlers) openFlowAnswer(f consents.Flow) (*providers.Answer, error) {
	clear, err := h.openFlow(kindFlowAnswer, f, f.Answer)
	if err != nil {
		return nil, err
	}
	return providers.ParseAnswer(clear)
}

func (h *Handlers) sealFlowTokens(f consents.Flow, t links.Tokens) ([]byte, error) {
	clear, err := t.MarshalClear()
	if err != nil {
		return nil, err
	}
	return h.Keys.Seal(flowBinding(kindFlowTokens, f), clear)
}

func (h *Handlers) openFlowTokens(f consents.Flow) (links.Tokens, error) {
	clear, err := h.openFlow(kindFlowTokens, f, f.Tokens)
	if err != nil {
		return links.Tokens{}, err
	}
	return links.ParseTokens(clear)
}

func (h *Handlers) openFlow(kind string, f consents.Flow, sealed []byte) ([]byte, error) {
	clear, err := h.unseal(flowBinding(kind, f), sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s of consent flow %s of link %s: %w", kind, f.ID, f.Address, err)
	}
	return clear, nil
}
