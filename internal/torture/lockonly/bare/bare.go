// Package bare is the record of the lock-only fleet: what a service keeps of a grant
// that saves its tokens and nothing else.
package bare

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// Record is one link's. Its tokens stand in the clear: it is a baseline, and its
// provider a simulator.
type Record struct {
	Generation uint64 `json:"generation"`
	Refresh    string `json:"refresh_token"`
	Bearer     string `json:"access_token"`
	// Dead: the provider called the grant dead; the user was told.
	Dead bool `json:"dead,omitzero"`
}

// Stale says that a report of this generation asks for nothing any more.
func (r Record) Stale(generation uint64) bool { return r.Dead || r.Generation != generation }

// Store is a bucket of records.
type Store struct{ kv jetstream.KeyValue }

const bucket = "lockonly"

// Create makes the bucket, or finds it made.
func Create(ctx context.Context, js jetstream.JetStream) (Store, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, History: 1})
	return Store{kv}, err
}

// Open finds the bucket.
func Open(ctx context.Context, js jetstream.JetStream) (Store, error) {
	kv, err := js.KeyValue(ctx, bucket)
	return Store{kv}, err
}

// Get reads a link's record.
func (s Store) Get(ctx context.Context, a events.Address) (r Record, err error) {
	e, err := s.kv.Get(ctx, a.Token())
	if err != nil {
		return r, fmt.Errorf("read %s: %w", a, err)
	}
	if err := json.Unmarshal(e.Value(), &r); err != nil {
		return r, fmt.Errorf("record of %s cannot be read", a)
	}
	return r, nil
}

// Put saves a record over whatever is there. That is the point of the baseline: its
// lock is to keep everybody else away.
func (s Store) Put(ctx context.Context, a events.Address, r Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err = s.kv.Put(ctx, a.Token(), text); err != nil {
		return fmt.Errorf("save %s: %w", a, err)
	}
	return nil
}

// Keys lists the links that have a record, as <tenant>.<provider>.<link>.
func (s Store) Keys(ctx context.Context) ([]string, error) { return s.kv.Keys(ctx) }
