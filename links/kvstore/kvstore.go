package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Buckets names the two buckets of a cell. Both keep one revision per key.
type Buckets struct {
	// Links holds the records under <tenant>.<provider>.<link>.
	Links string
	// Index holds subject.<tenant>.<hmac>, the address of a subject's owner or where its
	// user logged out of everything, and
	// user.<tenant>.<hmac>.<provider>.<link>, which says all by its key.
	Index string
}

// Store is a links.Store, a links.Scanner and a links.Index. Make it with New.
type Store struct {
	links, index *bucket
	watches      sync.WaitGroup
}

// New binds to buckets, which must exist: `worker provision` makes them.
func New(ctx context.Context, js jetstream.JetStream, names Buckets) (*Store, error) {
	l, err := bind(ctx, js, names.Links)
	if err != nil {
		return nil, err
	}
	x, err := bind(ctx, js, names.Index)
	if err != nil {
		return nil, err
	}
	return &Store{links: l, index: x}, nil
}

// Get returns a link as some replica has it. One that the replica does not have is
// asked for where writes are decided: it may be new.
func (s *Store) Get(ctx context.Context, a events.Address) (links.Stored, error) {
	return s.read(ctx, a, s.links.anywhere)
}

// Latest returns a link as the stream's leader has it.
func (s *Store) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	return s.read(ctx, a, s.links.leader)
}

func (s *Store) read(ctx context.Context, a events.Address, from func(context.Context, string) (entry, error)) (links.Stored, error) {
	if err := a.Validate(); err != nil {
		return links.Stored{}, err
	}
	e, err := from(ctx, a.Token())
	if err == nil && !e.live {
		err = links.ErrNotFound
	}
	if err != nil {
		return links.Stored{}, fmt.Errorf("read link %s: %w", a, err)
	}
	return e.link()
}

// link decodes a record and tells it when it was stored, by the server's clock.
func (e entry) link() (links.Stored, error) {
	l, err := links.Decode(e.value)
	if err != nil {
		return links.Stored{}, err
	}
	return links.Stored{Link: l.Observed(e.created), Revision: e.revision, StoredAt: e.created}, nil
}

// Create stores a new link.
func (s *Store) Create(ctx context.Context, l links.Link) (uint64, error) {
	revision, err := s.write(ctx, l, 0)
	if errors.Is(err, errRefused) {
		err = links.ErrExists
	}
	if err != nil {
		return 0, fmt.Errorf("create link %s: %w", l.Address, err)
	}
	return revision, nil
}

// Update replaces the link if it is still at the revision. After a lost answer,
// ErrConflict can also mean that the write took place and was itself replaced
// before anybody could tell; whoever reads again sees which.
func (s *Store) Update(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	next, err := uint64(0), errRefused // revision 0 is nobody's: it would create
	if revision > 0 {
		next, err = s.write(ctx, l, revision)
	}
	if errors.Is(err, errRefused) {
		err = links.ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("update link %s: %w", l.Address, err)
	}
	return next, nil
}

func (s *Store) write(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	if err := l.Validate(); err != nil {
		return 0, err
	}
	data, err := l.Encode()
	if err != nil {
		return 0, err
	}
	return s.links.write(ctx, change{key: l.Token(), value: data, revision: revision})
}
