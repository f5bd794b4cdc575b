package providertest

import (
	"sync"
	"sync/atomic"
	"time"
)

// account is one subject at one provider: what families of one user share.
type account struct {
	sub string
	// epoch counts bearers issued; under SingleActive only the last one's is alive.
	epoch atomic.Int64

	mu       sync.Mutex
	families []*family
	holdings holdings
}

// family is one grant and all that descends from it. Its lock covers its
// credentials; requests of different families never wait for each other.
type family struct {
	id    string
	terms terms
	at    *provider
	owner *account

	withheld bool // its first refresh token is not shown: see RefreshOnce

	mu       sync.Mutex
	end      ending
	born     time.Time     // its first refresh token
	grown    int           // refresh tokens, so far
	redeemed int           // of them, at least once
	refresh  []*credential // newest last; see forget
	bearers  []*bearer     // newest last; see forget
	uses     int           // bearers accepted
	denied   int           // bearers refused
}

// ending is why a family is dead, if it is.
type ending int

const (
	alive ending = iota
	revokedForReuse
	killed // by the user, by RFC 7009, by a newer grant, by a code without its proof
)

// finish ends the family for a reason other than reuse. It is false if the family
// had ended before.
func (f *family) finish() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end != alive {
		return false
	}
	f.end = killed
	return true
}
