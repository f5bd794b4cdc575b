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

	mu      sync.Mutex
	end     ending
	refresh []*credential // by serial-1
	bearers []*bearer
	uses    int // bearers accepted
	denied  int // bearers refused
}

// ending is why a family is dead, if it is.
type ending int

const (
	alive ending = iota
	revokedForReuse
	killed // by the user, by RFC 7009, by a newer grant, by a code without its proof
)

// credential is a refresh token or, with serial 0, an authorization code.
type credential struct {
	of       *family
	serial   int
	text     string
	expires  time.Time // zero: never
	redeemed time.Time // first time; zero: not yet
	bound    *binding  // of a code from the authorize endpoint; nil: to nothing
	// successors are the redemptions' answers in order, a tolerated replay's included.
	successors []*pair
	// used says that a bearer issued with this credential was accepted.
	used bool
}

// bearer is what a resource accepts. Its credential is the refresh token that
// came with it.
type bearer struct {
	of      *credential
	text    string
	epoch   int64
	expires time.Time
	killed  bool
}

// pair is one answer of the token endpoint.
type pair struct {
	access, id string
	refresh    *credential
	issued     time.Time
	held       *bearer
}

// present decides about c and carries the decision out. The pair is nil where
// the credential is not good.
func (f *family) present(now time.Time, c *credential, with proof) (Outcome, *pair, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	outcome := f.judge(now, c, with)
	switch outcome {
	case ReuseRevoked:
		f.end = revokedForReuse
		f.at.revoked.Add(1)
		return outcome, nil, nil
	case WrongRedirect, WrongVerifier:
		f.end = killed // whoever shows a code without its proof spends it
		return outcome, nil, nil
	case OK, ReuseGrace:
		answer, err := f.redeem(now, c)
		return outcome, answer, err
	}
	return outcome, nil, nil
}

// judge is the provider's policy. It changes nothing.
func (f *family) judge(now time.Time, c *credential, with proof) Outcome {
	b := f.at.behaviour
	switch {
	case f.end != alive || c.expired(now):
		return Dead
	case c.redeemed.IsZero() && c.serial == 0:
		return c.bound.check(with)
	case c.redeemed.IsZero() || (c.serial > 0 && b.Rotation != Always):
		return OK
	case c.serial > 0 && b.tolerates(now, c):
		return ReuseGrace
	case c.serial == 0 || b.OnReuse == RevokeFamily:
		return ReuseRevoked // for codes: RFC 6749, 4.1.2
	}
	return Refused
}

// tolerates says whether a replay of the consumed c is within a window.
func (b Behaviour) tolerates(now time.Time, c *credential) bool {
	within := now.Sub(c.redeemed) <= b.Grace
	if b.UntilSuccessorUsed {
		return !c.successorUsed() && (b.Grace == 0 || within)
	}
	return b.Grace > 0 && within && !c.successorRedeemed()
}

func (c *credential) expired(now time.Time) bool {
	return !c.expires.IsZero() && !now.Before(c.expires)
}

func (c *credential) successorRedeemed() bool {
	for _, s := range c.successors {
		if !s.refresh.redeemed.IsZero() {
			return true
		}
	}
	return false
}

func (c *credential) successorUsed() bool {
	for _, s := range c.successors {
		if s.refresh.used || !s.refresh.redeemed.IsZero() {
			return true
		}
	}
	return false
}

// redeem consumes c and returns the answer; the lock is held.
func (f *family) redeem(now time.Time, c *credential) (*pair, error) {
	first := c.redeemed.IsZero()
	if first {
		c.redeemed = now
	}
	if !first && f.at.behaviour.SamePair && f.at.behaviour.Rotation == Always {
		return c.successors[0], nil
	}
	next := c
	if c.serial == 0 || f.at.behaviour.Rotation != None {
		next = f.grow(now)
	}
	answer, err := f.mint(now, next)
	if err == nil && next != c {
		c.successors = append(c.successors, answer)
	}
	return answer, err
}

// grow adds the family's next refresh token.
func (f *family) grow(now time.Time) *credential {
	b := f.at.behaviour
	c := &credential{of: f, serial: len(f.refresh) + 1, text: opaque(b.RefreshLen)}
	if b.RefreshTTL > 0 {
		c.expires = now.Add(b.RefreshTTL)
	}
	f.refresh = append(f.refresh, c)
	f.at.credentials.Store(c.text, c)
	return c
}

// mint issues the bearers that go with c; the lock is held.
func (f *family) mint(now time.Time, c *credential) (*pair, error) {
	b := f.at.behaviour
	out := &pair{refresh: c, issued: now}
	var err error
	if out.access, err = f.accessToken(now); err != nil {
		return nil, err
	}
	if b.IDTokens {
		if out.id, err = f.at.idToken(f.idClaims(now), f.at.sign); err != nil {
			return nil, err
		}
	}
	accepted, life := out.access, b.AccessTTL
	if b.BearerID {
		accepted, life = out.id, b.IDTTL
	}
	out.held = &bearer{of: c, text: accepted, epoch: f.owner.epoch.Add(1), expires: now.Add(life)}
	f.bearers = append(f.bearers, out.held)
	f.at.bearers.Store(accepted, out.held)
	return out, nil
}

// good says whether a resource accepts the bearer; the family's lock is held.
func (b *bearer) good(now time.Time) bool {
	f := b.of.of
	current := !f.at.behaviour.SingleActive || b.epoch == f.owner.epoch.Load()
	return f.end == alive && !b.killed && current && now.Before(b.expires)
}

// use presents the bearer to a resource.
func (b *bearer) use(now time.Time) bool {
	f := b.of.of
	f.mu.Lock()
	defer f.mu.Unlock()
	if !b.good(now) {
		f.denied++
		return false
	}
	f.uses++
	b.of.used = true
	return true
}

// finish ends the family for a reason other than reuse.
func (f *family) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end == alive {
		f.end = killed
	}
}
