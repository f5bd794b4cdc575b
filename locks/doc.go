// Package locks makes contention cheap: of all workers that were told about the
// same expired token, one takes the link's lock and the others do no work.
//
// It does not make anything correct. A lock in Redis can be held twice: its
// time runs out while the holder is paused, a replica is promoted without it, an
// eviction drops it. What keeps a credential from being presented twice is the
// intent on the link's record, a compare-and-set that must be durable before the
// provider is called. So this package never cuts anything short: a lease that is
// lost is only reported, for cancelling a provider call would turn a doubt about
// the lock into a lost response, which costs a user's consent. And with Redis
// away callers go on under the intent alone.
//
// # A lease
//
// A lease is a key with a random token of its own as value and a TTL. It is
// renewed in the background at a third of that TTL until it is released. A
// worker that dies stops renewing, and its lock is free one TTL later. Renewals
// that fail are tried again; Lost is closed when Redis says that the key carries
// another token or none, or when a whole TTL has passed without a confirmation.
//
// A call whose reply was lost, or that a context cut short, may have been carried
// out. An Acquire that ends that way gives back, in the background, the lock that
// it may have taken; a Release that ends that way is tried again. Either only
// ever removes its own token, and stops trying after one TTL, when the key has
// run out by itself.
//
// # Redis away
//
// The first failure opens a circuit: for one renewal interval every Acquire
// returns ErrUnavailable at once, then one caller tries. Whatever keeps a lock
// from being taken counts as away: refused connections, time-outs, a replica
// that is read-only, a server that loads its data, a missing permission. Each
// change of state is logged once.
package locks
