package providertest

import "time"

// credential is a refresh token or, with serial 0, an authorization code.
type credential struct {
	of       *family
	serial   int
	text     string
	expires  time.Time // by its own life; zero: never
	redeemed time.Time // first time; zero: not yet
	touched  time.Time // issued or redeemed, last time
	bound    *binding  // of a code from the authorize endpoint; nil: to nothing
	// successors are the redemptions' answers in order, a tolerated replay's included.
	successors []*pair
	// used says that a bearer issued with this credential was accepted.
	used bool
}

// ends is when c is of no use any more, and when the whole family's refresh tokens
// are not; zero: never. The family's lock is held.
func (c *credential) ends() (token, consent time.Time) {
	b := c.of.at.behaviour
	if c.serial == 0 {
		return c.expires, time.Time{}
	}
	token = c.expires
	if b.RefreshIdle > 0 {
		token = earlier(token, c.touched.Add(b.RefreshIdle))
	}
	if b.RefreshAbsolute > 0 {
		consent = c.of.born.Add(b.RefreshAbsolute)
	}
	return earlier(token, consent), consent
}

// earlier is the first of two ends, of which the zero one never comes.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func (f *family) endsOf(c *credential) (token, consent time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.ends()
}

func (c *credential) expired(now time.Time) bool {
	ends, _ := c.ends()
	return !ends.IsZero() && !now.Before(ends)
}

// whyDead is what the provider says about c, which is not good.
func (f *family) whyDead(now time.Time, c *credential) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.expired(now) {
		return f.at.behaviour.ExpiredDescription
	}
	return f.at.behaviour.DeadDescription
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
