package providertest

import "time"

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
