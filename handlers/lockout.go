package handlers

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
)

// A password that a provider refused is not presented again for a while, however
// often a service reports and its session's owner gives it: after a few in a row,
// many providers lock the user's account. Another one is presented at once.
const (
	refusedFor = time.Hour
	maxRefused = 10_000
)

// lockout remembers what was refused as a MAC under a key of this process, which
// says nothing to anybody else. It is in memory only, so each worker may try once.
type lockout struct {
	key [sha256.Size]byte
	mu  sync.Mutex
	of  map[events.Address]refusal
}

type refusal struct {
	mac   [sha256.Size]byte
	until time.Time
}

func newLockout() *lockout {
	r := &lockout{of: map[events.Address]refusal{}}
	_, _ = rand.Read(r.key[:]) // never fails
	return r
}

func (r *lockout) mac(c credentials.Credential) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, r.key[:])
	for _, part := range []string{c.Username.Reveal(), "\x00", c.Password.Reveal()} {
		_, _ = h.Write([]byte(part))
	}
	h.Sum(sum[:0])
	return sum
}

// add notes that the provider refused a link's credential.
func (r *lockout) add(a events.Address, c credentials.Credential, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.of) >= maxRefused {
		for other, is := range r.of {
			if !now.Before(is.until) {
				delete(r.of, other)
			}
		}
	}
	if len(r.of) < maxRefused {
		r.of[a] = refusal{mac: r.mac(c), until: now.Add(refusedFor)}
	}
}

// knows says whether this very credential of the link was refused lately.
func (r *lockout) knows(a events.Address, c credentials.Credential, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	is, ok := r.of[a]
	mac := r.mac(c)
	return ok && now.Before(is.until) && hmac.Equal(mac[:], is.mac[:])
}
