// Package demo shows what Regrant is for, with everything real but the
// providers: workers, NATS that flushes each write, a lock server and simulated
// authorization servers, all on sockets of this process and in a directory that
// is removed afterwards.
//
// Many services hold the same bearers. All bearers die at once, and every
// service gets its own 401. First the services do what Regrant asks of them and
// report it; then, with fresh grants, what services do by themselves: each
// refreshes, and puts the result where the others find it. Both sides are judged
// by the ledger that the simulator wrote before it acted on any request, and not
// by what anybody says about themselves.
//
// The storm is made to be unkind. The services of one link all hold their 401
// before the first of them acts, which is what happens when a provider takes
// longer to answer than requests take to arrive. And the reports carry no shared
// message id, so that NATS drops none of them and every one reaches a worker.
package demo
