// Package lifetime lets links live for months in seconds. A [World] is a cell in
// one testing/synctest bubble: real handlers and real providers, talking HTTP to
// the real simulator over connections in memory, around the reference stores. Only
// what waits for the outside (sockets, NATS, Redis, disks) has a stand-in here:
//
//   - streams: inputs and fired timers are delivered to any running worker, put
//     back, delivered again and buried as the verdict says; reports of one expiry
//     are dropped as duplicates for 30 seconds, as the broker drops them;
//   - timers: one per link, of which only a newer one replaces an armed one;
//   - locks, which somebody holds or not, and a spool that forgets nothing.
//
// Whatever a worker does beside handling messages (looking for what was lost once a
// day and at its start) it does here too.
//
// Around it stand a [User], who consents in a browser, and a [Service], which holds
// the bearer that it last got, calls the provider's resource, and reports a 401 as
// services do. A [Population] is many links with a usage each; its [Audit] holds
// every presentation in the provider's ledger against the expiry or the clock that
// required it.
//
// It is for tests only: New and all that comes of it belong into the function
// that synctest.Test runs.
package lifetime
