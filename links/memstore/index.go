package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// name is the form of a tenant, of an HMAC in base64url and of nothing that a
// store with keys could take for a query.
var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// usable says whether the index may be asked with these names.
func usable(ctx context.Context, names ...string) error {
	for _, n := range names {
		if !name.MatchString(n) {
			return fmt.Errorf("%q is no name for an index", n)
		}
	}
	return ctx.Err()
}

// subject and user are keys of the index: names are unique within a tenant.
type (
	subject struct{ tenant, hmac string }
	user    struct{ tenant, hmac string }
)

// Owner returns the owner of a subject.
func (s *Store) Owner(ctx context.Context, tenant, hmac string) (links.Owner, error) {
	if err := usable(ctx, tenant, hmac); err != nil {
		return links.Owner{}, err
	}
	var found links.Owner
	asked := links.Link{Address: events.Address{Tenant: tenant}, Subject: hmac}
	err := s.faults.around(ctx, Owner, asked, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		found = s.subjects[subject{tenant, hmac}]
		return nil
	})
	return found, err
}

// Take makes a link the owner of a subject whose entry is at the revision.
func (s *Store) Take(ctx context.Context, tenant, hmac string, by links.Owner) error {
	return s.reown(ctx, Take, tenant, hmac, by.Address, func(now links.Owner) (links.Owner, error) {
		if now.Revision != by.Revision {
			return now, links.ErrConflict
		}
		return links.Owner{Address: by.Address, Order: by.Order}, nil
	})
}

// Release leaves a subject without an owner if addr is.
func (s *Store) Release(ctx context.Context, tenant, hmac string, addr events.Address) error {
	return s.reown(ctx, Release, tenant, hmac, addr, func(now links.Owner) (links.Owner, error) {
		if now.Address == addr {
			now.Address, now.Order = events.Address{}, time.Time{}
		}
		return now, nil
	})
}

// reown replaces an entry by what change makes of it, at a revision of its own.
func (s *Store) reown(ctx context.Context, op Op, tenant, hmac string, addr events.Address, change func(now links.Owner) (links.Owner, error)) error {
	if err := cmp.Or(usable(ctx, tenant, hmac), addr.Validate()); err != nil {
		return err
	}
	return s.faults.around(ctx, op, links.Link{Address: addr, Subject: hmac}, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		key := subject{tenant, hmac}
		next, err := change(s.subjects[key])
		if err != nil || next == s.subjects[key] {
			return err
		}
		s.revision++
		next.Revision = s.revision
		s.subjects[key] = next
		return nil
	})
}

// AddUser notes that a link belongs to a user.
func (s *Store) AddUser(ctx context.Context, hmac string, addr events.Address) error {
	if err := cmp.Or(usable(ctx, hmac), addr.Validate()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := user{addr.Tenant, hmac}
	if s.users[key] == nil {
		s.users[key] = map[events.Address]struct{}{}
	}
	s.users[key][addr] = struct{}{}
	return nil
}

// OfUser lists a user's links.
func (s *Store) OfUser(ctx context.Context, tenant, hmac string) ([]events.Address, error) {
	if err := usable(ctx, tenant, hmac); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.users[user{tenant, hmac}])), nil
}
