package providertest

import (
	"slices"
	"time"
)

// remembered is how many of a family's newest refresh tokens and bearers a volatile
// server knows, good or not.
const remembered = 8

// forget drops what is of no use any more and is not among the newest, so that a
// family that is refreshed for months stays as small as it was. The lock is held.
func (f *family) forget(now time.Time) {
	if !f.at.forgets {
		return
	}
	f.refresh = newest(f.refresh, func(c *credential) bool { return !c.spent(now) }, func(c *credential) {
		f.at.credentials.Delete(c.text)
	})
	f.bearers = newest(f.bearers, func(b *bearer) bool { return b.good(now) }, func(b *bearer) {
		f.at.bearers.Delete(b.text)
	})
}

// spent says whether c can get nothing any more, but for a window of tolerance
// that ended long ago: eight refreshes later.
func (c *credential) spent(now time.Time) bool {
	return c.expired(now) || (c.of.at.behaviour.Rotation == Always && !c.redeemed.IsZero())
}

// newest keeps the last ones, and of those before them what is good.
func newest[T any](all []T, good func(T) bool, drop func(T)) []T {
	last, kept := len(all)-remembered, all[:0]
	for i, each := range all {
		if i >= last || good(each) {
			kept = append(kept, each)
			continue
		}
		drop(each)
	}
	clear(all[len(kept):])
	return kept
}

// outlived says whether nothing of the family can be good again.
func (f *family) outlived(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end != alive {
		return true
	}
	good := func(b *bearer) bool { return b.good(now) }
	live := func(c *credential) bool { return !c.expired(now) }
	return !slices.ContainsFunc(f.refresh, live) && !slices.ContainsFunc(f.bearers, good)
}
