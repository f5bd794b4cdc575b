// Package contest has the denominators of the benchmark, each as a program would
// have it that promises nothing else: Bare consumes and acknowledges; Floor
// consumes, calls the provider, publishes what a worker publishes, and
// acknowledges. Neither has a lock, a record, an intent or a spool. Exchanges
// has all of them, and no mind. All are written to be as fast as the client library goes.
package contest
