package providertest

import (
	"maps"
	"slices"
)

// terms are what one consent gave. They travel in the login cookie.
type terms struct {
	// Scope, empty: what was asked for, or none where nobody asked.
	Scope string `json:"scope,omitempty"`
	Nonce string `json:"nonce,omitempty"`
	holdings
}

// holdings are what a login has, whichever grant looks at it.
type holdings struct {
	Accounts []string       `json:"accounts"` // nil: as before; empty: none
	Customer string         `json:"customer,omitempty"`
	Claims   map[string]any `json:"claims"`
}

// GrantOption adjusts a new family. Accounts, customer and claims are the login's:
// later grants of the same sub have them too, until they are named again. A
// grant keeps those that it began with.
type GrantOption func(*terms)

// WithScope sets the family's scope. Without it, answers carry what the authorize
// request asked for, or nothing.
func WithScope(scope string) GrantOption { return func(t *terms) { t.Scope = scope } }

// WithNonce puts a nonce into the family's ID tokens, instead of the one that the
// authorize request asked for.
func WithNonce(nonce string) GrantOption { return func(t *terms) { t.Nonce = nonce } }

// WithAccounts sets what the accounts endpoint lists, in this order.
func WithAccounts(ids ...string) GrantOption {
	ids = append([]string{}, ids...)
	return func(t *terms) { t.Accounts = ids }
}

// WithCustomer sets the customer endpoint's answer. Two subs may be one customer.
func WithCustomer(id string) GrantOption { return func(t *terms) { t.Customer = id } }

// WithClaims adds claims to ID tokens and userinfo; the standard ones stay as they are.
func WithClaims(claims map[string]any) GrantOption {
	claims = maps.Clone(claims)
	return func(t *terms) { t.Claims = claims }
}

// keep remembers what h names and fills in the rest.
func (a *account) keep(h *holdings) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.Accounts == nil {
		h.Accounts = a.holdings.Accounts
	}
	set(&h.Customer, a.holdings.Customer)
	if h.Claims == nil {
		h.Claims = a.holdings.Claims
	}
	a.holdings = *h
}

// page is the part of the accounts from offset on, and where the next one begins;
// zero: nowhere.
func (h holdings) page(offset, size int) (ids []string, next int) {
	rest := h.Accounts[min(offset, len(h.Accounts)):]
	if size == 0 || len(rest) <= size {
		return slices.Clone(rest), 0
	}
	return slices.Clone(rest[:size]), offset + size
}
