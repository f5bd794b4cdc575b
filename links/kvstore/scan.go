package kvstore

import (
	"cmp"
	"context"
	"fmt"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// pattern is the key filter for an address whose empty fields match all.
func pattern(filter events.Address) (string, error) {
	whole := events.Address{
		Tenant: cmp.Or(filter.Tenant, "x"), Provider: cmp.Or(filter.Provider, "x"), Link: cmp.Or(filter.Link, "x"),
	}
	if err := whole.Validate(); err != nil {
		return "", err
	}
	pattern := events.Address{
		Tenant: cmp.Or(filter.Tenant, "*"), Provider: cmp.Or(filter.Provider, "*"), Link: cmp.Or(filter.Link, "*"),
	}
	return pattern.Token(), nil
}

// List yields the links that existed when it was called, each once, as it stands
// when its turn comes. Keys are listed first, records are read one by one: a
// list that is consumed slowly costs the server little and nobody memory.
func (s *Store) List(ctx context.Context, filter events.Address, yield func(links.Stored) bool) error {
	keys, err := s.matching(ctx, filter)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, key := range keys {
		v, found, err := s.listed(ctx, key)
		if err != nil {
			return fmt.Errorf("list links: %s: %w", key, err)
		}
		if found && !yield(v) {
			return nil
		}
	}
	return ctx.Err()
}

func (s *Store) matching(ctx context.Context, filter events.Address) ([]string, error) {
	keys, err := pattern(filter)
	if err != nil {
		return nil, err
	}
	return s.links.keys(ctx, keys)
}

// listed reads one link of a list.
func (s *Store) listed(ctx context.Context, key string) (v links.Stored, found bool, err error) {
	e, err := s.links.anywhere(ctx, key)
	if err != nil || !e.live {
		return links.Stored{}, false, err
	}
	v, err = e.link()
	return v, true, err
}
