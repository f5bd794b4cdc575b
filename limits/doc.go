// Package limits keeps a fleet of workers within what an app may ask of its
// provider, and counts what the provider answers. Redis is where the workers meet;
// without it each goes on with a share of its own.
//
// # Rates
//
// With Redis, all workers take from one bucket per app (GCRA, by the server's own
// clock). Within any time w no more than Burst + w × Count/Per attempts are made.
//
// A worker that cannot reach Redis has a bucket of its own, filled with the app's
// rate divided by the number of workers that were seen last. It begins empty, so
// the change costs no second burst. When Redis is back, all workers return to it at
// one moment, which the first of them sets there, and what has gathered in the
// shared bucket meanwhile is poured out.
//
// Not promised: while only some of the workers reach Redis, or have not noticed yet
// that they do again, the former use the whole rate, and each of the others has its
// share on top of it. Of workers that never reached Redis, nobody knows how many
// there are: Config.Fleet is assumed.
//
// # Waiting
//
// Who is denied learns for how long to stay away. Those whom one process denies are
// told times one after the other, and until the first of these it asks Redis
// nothing about the app: ten thousand links that are due cost as many requests as
// there are tokens.
//
// # Pauses
//
// When a provider says when to come back (429 with Retry-After), the app is paused:
// for this process at once, for all others as soon as they ask: with a rate that is
// before every attempt, without one every 100 ms. A pause is a term and not a time: no
// two clocks are compared. One that Redis could not be told of is told when it is back.
//
// # Counting answers
//
// Tally counts dead grants among all answers, in a window, fleet-wide with Redis
// and for this worker alone without. Dead grants are told at once, and with them what
// this worker saw of others; good answers by themselves every 100 ms.
package limits
