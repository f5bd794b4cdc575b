package kvstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/links"
)

// Apps is an apps.Store. Make it with NewApps.
type Apps struct{ bucket *bucket }

var _ apps.Store = (*Apps)(nil)

// NewApps binds to the bucket of apps, which must exist: `worker provision` makes it.
func NewApps(ctx context.Context, js jetstream.JetStream, name string) (*Apps, error) {
	b, err := bind(ctx, js, name)
	if err != nil {
		return nil, err
	}
	return &Apps{bucket: b}, nil
}

// Get returns an app as the stream's leader has it.
func (s *Apps) Get(ctx context.Context, name string) (apps.Stored, error) {
	if err := apps.New(name).Validate(); err != nil {
		return apps.Stored{}, err
	}
	e, err := s.bucket.leader(ctx, name)
	if err == nil && !e.live {
		err = links.ErrNotFound
	}
	if err != nil {
		return apps.Stored{}, fmt.Errorf("read app %s: %w", name, err)
	}
	return e.app()
}

func (e entry) app() (apps.Stored, error) {
	a, err := apps.Decode(e.value)
	if err != nil {
		return apps.Stored{}, err
	}
	return apps.Stored{App: a, Revision: e.revision, StoredAt: e.created}, nil
}

// Create stores a new app.
func (s *Apps) Create(ctx context.Context, a apps.App) (uint64, error) {
	revision, err := s.write(ctx, a, 0)
	if errors.Is(err, errRefused) {
		err = links.ErrExists
	}
	if err != nil {
		return 0, fmt.Errorf("create app %s: %w", a.Name, err)
	}
	return revision, nil
}

// Update replaces the app if it is still at the revision. After a lost answer,
// ErrConflict can also mean that the write took place and was itself replaced
// before anybody could tell; whoever reads again sees which.
func (s *Apps) Update(ctx context.Context, a apps.App, revision uint64) (uint64, error) {
	next, err := uint64(0), errRefused // revision 0 is nobody's: it would create
	if revision > 0 {
		next, err = s.write(ctx, a, revision)
	}
	if errors.Is(err, errRefused) {
		err = links.ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("update app %s: %w", a.Name, err)
	}
	return next, nil
}

func (s *Apps) write(ctx context.Context, a apps.App, revision uint64) (uint64, error) {
	data, err := a.Encode()
	if err != nil {
		return 0, err
	}
	return s.bucket.write(ctx, change{key: a.Name, value: data, revision: revision})
}

// Watch follows the bucket's stream from its beginning, which holds one message
// for each app. It leaves out what it cannot decode.
func (s *Apps) Watch(ctx context.Context, changed func(apps.Stored)) error {
	f := follower{bucket: s.bucket, keys: ">", changed: func(e entry) {
		if stored, err := e.app(); err == nil {
			changed(stored)
		}
	}}
	f.follow(ctx)
	return ctx.Err()
}
