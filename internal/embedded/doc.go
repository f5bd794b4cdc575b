// Package embedded runs the two servers that Regrant needs, NATS with JetStream
// and a Redis-compatible lock server, inside the process: for `worker run`
// without external servers, for the demo and for tests.
//
// Neither is a toy. The NATS server is the real one, on a file store, and with
// SyncAlways it flushes every write before it confirms it, which is what the
// intent of a refresh relies on. The lock server is miniredis; it keeps nothing
// on disk, which is right for locks that live for seconds and only make
// contention cheap, and its clock, which stands still by itself, is driven here.
//
// Both listen without authentication: bind them to a loopback address.
//
// This is the only package that links the NATS server, which costs seconds of
// build and link time in every binary and test that imports it.
package embedded
