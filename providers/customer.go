package providers

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/regrant/regrant/secret"
)

// HasCustomer says whether the profile names a customer endpoint.
func (p *Provider) HasCustomer() bool { return p.profile.CustomerURL != "" }

// Customer reads what identifies the person behind a bearer, as one canonical
// text of all values that customer_ids names: equal texts, same customer. It is
// personal data, so keep only an HMAC of it. Every one of customer_ids must be
// there, or two people who both lack one would seem the same. Errors are as with
// Accounts.
func (p *Provider) Customer(ctx context.Context, bearer secret.Value) (secret.Value, error) {
	text, err := p.customer(ctx, bearer)
	return secret.New(text), p.blame("customer", err)
}

func (p *Provider) customer(ctx context.Context, bearer secret.Value) (string, error) {
	if !p.HasCustomer() {
		return "", notSupported("customer_url")
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Budget.Deadline)
	defer cancel()
	_, doc, err := p.document(ctx, p.read.customer, bearer)
	if err != nil {
		return "", err
	}
	all := make([][]string, len(p.read.customerIDs))
	for i, ptr := range p.read.customerIDs {
		values, err := ptr.ids(doc)
		if err != nil {
			return "", err
		}
		if len(values) == 0 {
			return "", malformed("the answer lacks one of customer_ids")
		}
		slices.Sort(values)
		all[i] = slices.Compact(values)
	}
	text, err := json.Marshal(all)
	return string(text), err
}
