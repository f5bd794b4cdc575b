// Package crash holds tests that break workers, servers and providers under
// Regrant, with real processes: `worker run`, nats-server and redis-server. A
// worker is killed or stopped at a named point of the procedure by its own
// failpoint (build tag failpoint, REGRANT_FAILPOINT), so no test depends on how
// fast the machine is.
//
// What the tests believe is the provider's ledger on disk, the streams, and the
// records; never what a worker says of itself. Every test ends in the same
// promises, G1 to G6 of the design.
//
// `go test` runs a fixed sample of the crash matrix; REGRANT_CRASH=full, which
// `make crashpoints` sets, runs all of it.
package crash
