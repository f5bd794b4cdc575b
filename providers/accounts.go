package providers

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"

	"github.com/regrant/regrant/secret"
)

const maxAccounts = 2000

// resources are the profile's addresses and pointers, parsed.
type resources struct {
	userinfo, accounts, customer *url.URL
	ids, next                    pointer
	cursor                       string
	customerIDs                  []pointer
}

// resources parses what Validate has passed: no error is left.
func (p Profile) resources() resources {
	address := func(text string) *url.URL {
		u, _ := url.Parse(text)
		return u
	}
	r := resources{
		userinfo: address(p.UserinfoURL), accounts: address(p.AccountsURL), customer: address(p.CustomerURL),
		cursor: p.AccountsCursorParam,
	}
	r.ids, _ = parsePointer(p.AccountsIDs)
	if p.AccountsNext != "" {
		r.next, _ = parsePointer(p.AccountsNext)
	}
	for _, text := range p.CustomerIDs {
		ptr, _ := parsePointer(text)
		r.customerIDs = append(r.customerIDs, ptr)
	}
	return r
}

// HasAccounts says whether the profile names an accounts endpoint.
func (p *Provider) HasAccounts() bool { return p.profile.AccountsURL != "" }

// HasCustomer says whether the profile names a customer endpoint.
func (p *Provider) HasCustomer() bool { return p.profile.CustomerURL != "" }

// Accounts reads the ids of all accounts that a bearer reaches, sorted, each
// once: all pages of accounts_url, within Budget.Deadline together. It returns
// the whole list or an EndpointError, never part of it: ErrUnreachable,
// ErrRefused, ErrMalformed, ErrTooMany (more than 2,000 ids or 50 pages), or
// ErrNotSupported where the profile has no accounts_url.
func (p *Provider) Accounts(ctx context.Context, bearer secret.Value) ([]string, error) {
	ids, err := p.accounts(ctx, bearer)
	return ids, p.blame("accounts", err)
}

func (p *Provider) accounts(ctx context.Context, bearer secret.Value) ([]string, error) {
	if !p.HasAccounts() {
		return nil, notSupported("accounts_url")
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Budget.Deadline)
	defer cancel()
	list, all := p.read.listing(), map[string]bool{}
	for at := list.first; at != nil; {
		header, doc, err := p.document(ctx, at, bearer)
		if err != nil {
			return nil, err
		}
		if err := gather(all, p.read.ids, doc); err != nil {
			return nil, err
		}
		if at, err = list.after(at, header, doc); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
}

func gather(all map[string]bool, at pointer, doc any) error {
	ids, err := at.ids(doc)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if all[id] = true; len(all) > maxAccounts {
			return tooMany("more than %d accounts", maxAccounts)
		}
	}
	return nil
}

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
