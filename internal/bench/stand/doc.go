// Package stand sets up what a benchmark runs on: the programs, built once; NATS,
// Redis and the provider as processes of their own; and cells, each with streams
// of its own, that contestants take turns in. It is used by internal/bench and by
// what measures beside it.
package stand
