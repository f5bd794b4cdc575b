package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
)

// Flows is a consents.Store and a consents.Scanner. Make it with NewFlows.
type Flows struct{ bucket *bucket }

var (
	_ consents.Store   = (*Flows)(nil)
	_ consents.Scanner = (*Flows)(nil)
)

// NewFlows binds to the bucket of flows, which must exist: `worker provision`
// makes it. Its keys end by themselves, each when its last write said.
func NewFlows(ctx context.Context, js jetstream.JetStream, name string) (*Flows, error) {
	b, err := bind(ctx, js, name)
	if err != nil {
		return nil, err
	}
	if !b.stream.CachedInfo().Config.AllowMsgTTL {
		return nil, fmt.Errorf("bucket %s keeps its keys for ever: run `worker provision`", name)
	}
	return &Flows{bucket: b}, nil
}

// Get returns a flow as the stream's leader has it.
func (f *Flows) Get(ctx context.Context, key string) (consents.Stored, error) {
	if err := usable(key); err != nil {
		return consents.Stored{}, err
	}
	e, err := f.bucket.leader(ctx, key)
	if err == nil && !e.live {
		err = links.ErrNotFound
	}
	if err != nil {
		return consents.Stored{}, fmt.Errorf("read consent flow: %w", err)
	}
	return e.flow()
}

func (e entry) flow() (consents.Stored, error) {
	found, err := consents.Decode(e.value)
	if err != nil {
		return consents.Stored{}, err
	}
	return consents.Stored{Flow: found.Observed(e.created), Revision: e.revision, StoredAt: e.created}, nil
}

// Create stores a new flow.
func (f *Flows) Create(ctx context.Context, flow consents.Flow) (uint64, error) {
	c, err := flowChange(flow, 0)
	if err != nil {
		return 0, err
	}
	revision, err := f.create(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("create consent flow %s: %w", flow.ID, err)
	}
	return revision, nil
}

// create writes where nothing is. For a while, that is where the server has left
// a marker of the key that it removed, and then the marker's revision must be
// named; with the marker's own end, the revision is 0 again.
func (f *Flows) create(ctx context.Context, c change) (uint64, error) {
	for n := 1; ; n++ {
		revision, err := f.bucket.write(ctx, c)
		if !errors.Is(err, errRefused) {
			return revision, err
		}
		now, err := f.bucket.leader(ctx, c.key)
		switch {
		case err != nil:
			return 0, err
		case now.live:
			return 0, links.ErrExists
		}
		if c.revision == now.revision {
			if err := pause(ctx, n); err != nil {
				return 0, err
			}
		}
		c.revision = now.revision
	}
}

// Update replaces the flow if it is still at the revision. After a lost answer,
// ErrConflict can also mean that the write took place and was itself replaced
// before anybody could tell; whoever reads again sees which.
func (f *Flows) Update(ctx context.Context, flow consents.Flow, revision uint64) (uint64, error) {
	c, err := flowChange(flow, revision)
	if err != nil {
		return 0, err
	}
	next, err := uint64(0), errRefused // revision 0 is nobody's: it would create
	if revision > 0 {
		next, err = f.bucket.write(ctx, c)
	}
	if errors.Is(err, errRefused) {
		err = links.ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("update consent flow %s: %w", flow.ID, err)
	}
	return next, nil
}

// flowChange names the life of the key with every write: the server forgets the
// one that the write before had named.
func flowChange(flow consents.Flow, revision uint64) (change, error) {
	if err := usable(flow.Key); err != nil {
		return change{}, err
	}
	keep := flow.Retention()
	if keep < time.Second {
		return change{}, fmt.Errorf("consent flow %s is %s and to be kept for %s: its times are wrong", flow.ID, flow.Status, keep)
	}
	data, err := flow.Encode()
	return change{key: flow.Key, value: data, revision: revision, keep: keep}, err
}

// List yields the flows that existed when it was called, each as the stream's leader
// has it when its turn comes.
func (f *Flows) List(ctx context.Context, yield func(consents.Stored) bool) error {
	var passed links.Unreadable
	err := f.bucket.walk(ctx, "", func(key string, _ entry) (bool, error) {
		now, err := f.Get(ctx, key)
		switch {
		case errors.Is(err, links.ErrNotFound): // it has ended
			return true, nil
		case errors.Is(err, consents.ErrRecord):
			passed.Note(key, err)
			return true, nil
		}
		if err != nil || !yield(now) {
			passed = links.Unreadable{}
			return false, err
		}
		return true, nil
	})
	return listed(ctx, "consent flows", err, &passed)
}
