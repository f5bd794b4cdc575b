// Package budget holds the one number from which every protocol time of Regrant
// follows. Times that belong together must move together: a lock that outlives
// the patience of those who wait for it, or a provider deadline longer than the
// time after which another worker takes over, is a design error that no single
// setting shows. Tests run the whole protocol at a fiftieth of the default.
package budget

import "time"

// Default is the lock TTL that production uses.
const Default = 10 * time.Second

// Budget is a set of times derived from one. All are durations measured on a
// process's own monotonic clock; none is ever compared with another host's.
type Budget struct {
	// LockTTL is how long a lock lives after its last renewal.
	LockTTL time.Duration
	// LockRenew is the interval of renewals while a flight lasts.
	LockRenew time.Duration
	// LockWait bounds one wait for a lock held elsewhere; the message is then put back.
	LockWait time.Duration
	// AckWait is JetStream's redelivery time-out of an unsettled message.
	AckWait time.Duration
	// Heartbeat is the interval of InProgress while a message is handled.
	Heartbeat time.Duration
	// Patience is how long a process watches another's attempt before it takes over.
	Patience time.Duration
	// Deadline bounds a provider call that may be repeated.
	Deadline time.Duration
	// DeadlineOnce bounds a provider call that may not: cutting it costs a user's consent.
	DeadlineOnce time.Duration
	// Recovery is the time within which a dead worker's link reaches a legal state.
	Recovery time.Duration
	// Adopt is the interval at which workers look for orphaned spool files.
	Adopt time.Duration
	// Probe is the interval between two probes of a suspended app, fleet-wide.
	Probe time.Duration
}

// Of derives all times from the lock TTL.
func Of(lockTTL time.Duration) Budget {
	return Budget{
		LockTTL:      lockTTL,
		LockRenew:    lockTTL * 3 / 10,
		LockWait:     lockTTL,
		AckWait:      lockTTL * 2,
		Heartbeat:    lockTTL / 2,
		Patience:     lockTTL * 3 / 2,
		Deadline:     lockTTL * 3 / 2,
		DeadlineOnce: lockTTL * 12,
		Recovery:     lockTTL * 3,
		Adopt:        lockTTL * 6,
		Probe:        lockTTL * 6,
	}
}
