package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/regrant/regrant/events"
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

// Claim makes addr the owner of a subject if it has none, and returns the owner.
func (s *Store) Claim(ctx context.Context, tenant, hmac string, addr events.Address) (events.Address, error) {
	if err := cmp.Or(usable(ctx, tenant, hmac), addr.Validate()); err != nil {
		return events.Address{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := subject{tenant, hmac}
	if owner, taken := s.subjects[key]; taken {
		return owner, nil
	}
	s.subjects[key] = addr
	return addr, nil
}

// Release gives a claim back if addr holds it.
func (s *Store) Release(ctx context.Context, tenant, hmac string, addr events.Address) error {
	if err := cmp.Or(usable(ctx, tenant, hmac), addr.Validate()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := (subject{tenant, hmac}); s.subjects[key] == addr {
		delete(s.subjects, key)
	}
	return nil
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
