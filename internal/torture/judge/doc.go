// Package judge decides whether a fleet that was tortured kept its promises. It
// believes none of the processes: it reads the provider's ledger, which was on disk
// before the provider acted, the records, the streams, and the list of what was
// done to whom. The rules are pure functions of what was read; the readers know
// no rule.
package judge
