package providers

import (
	"context"
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
	ids := slices.AppendSeq(make([]string, 0, len(all)), maps.Keys(all)) // not nil: the list is known
	slices.Sort(ids)
	return ids, nil
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
