package kvstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// name is the form of a tenant and of an HMAC in base64url. A dot or a wildcard
// would make a key into another key, or into a query.
var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func usable(names ...string) error {
	for _, n := range names {
		if !name.MatchString(n) {
			return fmt.Errorf("%q is no name for an index", n)
		}
	}
	return nil
}

func subjectKey(tenant, hmac string) string { return "subject." + tenant + "." + hmac }

func userKey(user string, a events.Address) string {
	return "user." + a.Tenant + "." + user + "." + a.Provider + "." + a.Link
}

// Owner returns the owner of a subject as the stream's leader has it.
func (s *Store) Owner(ctx context.Context, tenant, subject string) (links.Owner, error) {
	if err := usable(tenant, subject); err != nil {
		return links.Owner{}, err
	}
	now, err := s.index.leader(ctx, subjectKey(tenant, subject))
	if err != nil {
		return links.Owner{}, fmt.Errorf("owner of a subject in %s: %w", tenant, err)
	}
	if !now.live {
		return links.Owner{Revision: now.revision}, nil
	}
	c, err := now.claim()
	return links.Owner{Address: c.Address, Order: c.Order, Revision: now.revision}, err
}

// claim is the stored form of an owner.
type claim struct {
	events.Address
	Order time.Time `json:"order,omitzero"`
}

// Take makes a link the owner of a subject whose entry is at the revision. After a
// lost answer, ErrConflict can also mean that it was and that somebody has taken
// the subject since; whoever reads again sees who.
func (s *Store) Take(ctx context.Context, tenant, subject string, by links.Owner) error {
	if err := cmp.Or(usable(tenant, subject), by.Address.Validate()); err != nil {
		return err
	}
	value, err := json.Marshal(claim{by.Address, by.Order})
	if err != nil {
		return err
	}
	_, err = s.index.write(ctx, change{key: subjectKey(tenant, subject), value: value, revision: by.Revision})
	if errors.Is(err, errRefused) {
		err = links.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("take a subject for %s: %w", by.Address, err)
	}
	return nil
}

func (e entry) claim() (c claim, err error) {
	if err := json.Unmarshal(e.value, &c); err != nil {
		return claim{}, fmt.Errorf("%w: owner of a subject", links.ErrRecord)
	}
	return c, nil
}

// Release leaves a subject without an owner if addr is. Whatever becomes of one try, the
// next one begins with a look at who holds it.
func (s *Store) Release(ctx context.Context, tenant, subject string, addr events.Address) error {
	if err := cmp.Or(usable(tenant, subject), addr.Validate()); err != nil {
		return err
	}
	for n := 1; ; n++ {
		err := s.release(ctx, subjectKey(tenant, subject), addr)
		if err == nil || ctx.Err() == nil && answered(err) && !wrongRevision(err) {
			return err
		}
		if pauseErr := pause(ctx, n); pauseErr != nil {
			return fmt.Errorf("release a subject of %s: %w", addr, unknown(fmt.Errorf("%w; last try: %w", pauseErr, err)))
		}
	}
}

func (s *Store) release(ctx context.Context, key string, addr events.Address) error {
	now, err := s.index.leader(ctx, key)
	if err != nil || !now.live {
		return err
	}
	if owner, err := now.claim(); err != nil || owner.Address != addr {
		return err
	}
	return s.index.within(ctx, s.index.tryFor, func(ctx context.Context) error {
		return s.index.kv.Delete(ctx, key, jetstream.LastRevision(now.revision))
	})
}

// AddUser notes that a link belongs to a user.
func (s *Store) AddUser(ctx context.Context, user string, addr events.Address) error {
	if err := cmp.Or(usable(user), addr.Validate()); err != nil {
		return err
	}
	_, err := s.index.write(ctx, change{key: userKey(user, addr)})
	if err != nil && !errors.Is(err, errRefused) {
		return fmt.Errorf("note the user of %s: %w", addr, err)
	}
	return nil
}

// OfUser lists a user's links by the names of their keys alone.
func (s *Store) OfUser(ctx context.Context, tenant, user string) ([]events.Address, error) {
	if err := usable(tenant, user); err != nil {
		return nil, err
	}
	prefix := "user." + tenant + "." + user + "."
	keys, err := s.index.keys(ctx, prefix+"*.*")
	if err != nil {
		return nil, fmt.Errorf("links of a user of %s: %w", tenant, err)
	}
	found := make([]events.Address, 0, len(keys))
	for _, k := range keys {
		provider, link, ok := strings.Cut(strings.TrimPrefix(k, prefix), ".")
		if ok {
			found = append(found, events.Address{Tenant: tenant, Provider: provider, Link: link})
		}
	}
	return found, nil
}
