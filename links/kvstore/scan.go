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
// when its page is read. A list that is consumed slowly costs nobody memory.
func (s *Store) List(ctx context.Context, filter events.Address, yield func(links.Stored) bool) error {
	keys := ""
	if filter != (events.Address{}) {
		var err error
		if keys, err = pattern(filter); err != nil {
			return fmt.Errorf("list links: %w", err)
		}
	}
	var passed links.Unreadable
	err := s.links.walk(ctx, keys, func(key string, e entry) (bool, error) {
		v, err := e.link()
		if err != nil {
			passed.Note(key, err)
			return true, nil
		}
		if !yield(v) {
			passed = links.Unreadable{} // nobody asked for all
			return false, nil
		}
		return true, nil
	})
	return listed(ctx, "links", err, &passed)
}

// listed is how a list ended. What ended it early counts more than what it passed over.
func listed(ctx context.Context, what string, err error, passed *links.Unreadable) error {
	if err = cmp.Or(err, ctx.Err(), passed.Err()); err != nil {
		return fmt.Errorf("list %s: %w", what, err)
	}
	return nil
}
