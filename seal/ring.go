package seal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// What a change of the sealing keys is refused for.
var (
	ErrNoSuchKey = errors.New("there is no such sealing key")
	ErrPrimary   = errors.New("it is the primary key, which seals")
	ErrWaiting   = errors.New("a sealing key waits to become the primary one already")
)

// ring is the sealing keys of one moment. It never changes.
type ring struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	ids     map[uint32]bool
	primary uint32
	notes   map[uint32]Note
}

// Note is what is known of a sealing key beside the key. The times are those of the
// host where `worker keys` ran; a key that was made with its file has none.
type Note struct {
	Added    time.Time `json:"added,omitzero"`
	Promoted time.Time `json:"promoted,omitzero"`
	// Retired is when another key became the primary one in its place.
	Retired time.Time `json:"retired,omitzero"`
	// Destroyed keys are not in the file any more. They are remembered, so that a file
	// that lost a key can be told from one that gave it up.
	Destroyed time.Time `json:"destroyed,omitzero"`
}

// Status says what a sealing key is for.
type Status string

// The states of a key, in the order in which it goes through them.
const (
	// Waiting: it opens and does not seal yet, so that every worker can be given it first.
	Waiting Status = "waiting"
	// Primary: it seals.
	Primary Status = "primary"
	// Retired: it opens what it sealed.
	Retired   Status = "retired"
	Destroyed Status = "destroyed"
)

// Key describes a sealing key and holds nothing of it.
type Key struct {
	ID     uint32 `json:"id"`
	Status Status `json:"status"`
	Note
}

func newRing(handle *keyset.Handle, notes map[uint32]Note) (*ring, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, err
	}
	primary, err := handle.Primary()
	if err != nil {
		return nil, err
	}
	r := &ring{handle: handle, aead: primitive, ids: map[uint32]bool{}, primary: primary.KeyID(), notes: notes}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, err
		}
		r.ids[entry.KeyID()] = true
	}
	return r, nil
}

// List describes the sealing keys, the destroyed ones included, the oldest first.
func (k *Keys) List() []Key {
	r := k.ring.Load()
	var all []Key
	for id := range r.ids {
		all = append(all, Key{ID: id, Status: r.status(id), Note: r.notes[id]})
	}
	for id, note := range r.notes {
		if !r.ids[id] {
			all = append(all, Key{ID: id, Status: Destroyed, Note: note})
		}
	}
	slices.SortFunc(all, func(a, b Key) int { return cmp.Or(a.Added.Compare(b.Added), cmp.Compare(a.ID, b.ID)) })
	return all
}

func (r *ring) status(id uint32) Status {
	switch {
	case id == r.primary:
		return Primary
	case !r.notes[id].Added.IsZero() && r.notes[id].Promoted.IsZero():
		return Waiting
	default:
		return Retired
	}
}

// Primary is the key that seals.
func (k *Keys) Primary() uint32 { return k.ring.Load().primary }

// Has says whether these keys open what a key sealed.
func (k *Keys) Has(id uint32) bool { return k.ring.Load().ids[id] }

// KeyOf names the key that sealed a value, which says so in the clear (Tink's
// prefix: a 1 and four bytes of id, behind the version of our encoding).
func KeyOf(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < 6 || sealed[0] != bindingVersion || sealed[1] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[2:]), true
}

// Add makes another sealing key, which opens and does not seal. What a worker seals
// no other worker can open until that one has the key too: so each is given the key
// first, and only then Promote lets it seal. One key waits at a time.
func (k *Keys) Add(now time.Time) (id uint32, err error) {
	err = k.change(func(r *ring, m *keyset.Manager, notes map[uint32]Note) error {
		for waiting := range r.ids {
			if r.status(waiting) == Waiting {
				return fmt.Errorf("%w: %d", ErrWaiting, waiting)
			}
		}
		id, err = m.Add(aead.XAES256GCM192BitNonceKeyTemplate())
		notes[id] = Note{Added: now.UTC()}
		return err
	})
	return id, err
}

// Promote makes a key the primary one. All others still open.
func (k *Keys) Promote(id uint32, now time.Time) error {
	return k.change(func(r *ring, m *keyset.Manager, notes map[uint32]Note) error {
		switch {
		case !r.ids[id]:
			return fmt.Errorf("%w: %d", ErrNoSuchKey, id)
		case id == r.primary:
			return fmt.Errorf("%w: %d", ErrPrimary, id)
		}
		was, is := notes[r.primary], notes[id]
		was.Retired, is.Promoted, is.Retired = now.UTC(), now.UTC(), time.Time{}
		notes[r.primary], notes[id] = was, is
		return m.SetPrimary(id)
	})
}

// Destroy gives up a key. Whatever it sealed will never open again: whoever calls
// this has seen that nothing is left.
func (k *Keys) Destroy(id uint32, now time.Time) error {
	return k.change(func(r *ring, m *keyset.Manager, notes map[uint32]Note) error {
		switch {
		case !r.ids[id]:
			return fmt.Errorf("%w: %d", ErrNoSuchKey, id)
		case id == r.primary:
			return fmt.Errorf("%w: %d", ErrPrimary, id)
		}
		note := notes[id]
		note.Destroyed = now.UTC()
		notes[id] = note
		return m.Delete(id)
	})
}

// change replaces the ring. It changes this process only; see Edit.
func (k *Keys) change(do func(r *ring, m *keyset.Manager, notes map[uint32]Note) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.ring.Load()
	manager, notes := keyset.NewManagerFromHandle(r.handle), maps.Clone(r.notes)
	if notes == nil {
		notes = map[uint32]Note{}
	}
	if err := do(r, manager, notes); err != nil {
		return err
	}
	handle, err := manager.Handle()
	if err != nil {
		return fmt.Errorf("change sealing keys: %w", err)
	}
	next, err := newRing(handle, notes)
	if err != nil {
		return fmt.Errorf("change sealing keys: %w", err)
	}
	k.ring.Store(next)
	return nil
}
