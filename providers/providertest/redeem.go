package providertest

import "time"

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

// redeem consumes c and returns the answer; the lock is held.
func (f *family) redeem(now time.Time, c *credential) (*pair, error) {
	b, again := f.at.behaviour, f.consume(now, c)
	if again && b.SamePair {
		return c.successors[0], nil
	}
	if c.serial > 0 && b.RefreshEndsBearers {
		f.endBearers()
	}
	next := c
	switch {
	case again && b.SameSuccessor:
		next = c.successors[0].refresh
	case c.serial == 0 || b.Rotation != None:
		next = f.grow(now)
	}
	answer, err := f.mint(now, next)
	f.forget(now)
	if err == nil && next != c {
		c.successors = append(c.successors, answer)
	}
	return answer, err
}

// consume notes the redemption, and says whether it is a tolerated replay.
func (f *family) consume(now time.Time, c *credential) (again bool) {
	c.touched = now
	if !c.redeemed.IsZero() {
		return f.at.behaviour.Rotation == Always
	}
	c.redeemed = now
	if c.serial > 0 {
		f.redeemed++
	}
	return false
}

// grow adds the family's next refresh token.
func (f *family) grow(now time.Time) *credential {
	b := f.at.behaviour
	if f.grown == 0 {
		f.born = now
	}
	f.grown++
	c := &credential{of: f, serial: f.grown, text: opaque(b.RefreshLen), touched: now}
	if b.RefreshTTL > 0 {
		c.expires = now.Add(b.RefreshTTL)
	}
	f.refresh = append(f.refresh, c)
	f.at.credentials.Store(c.text, c)
	return c
}
