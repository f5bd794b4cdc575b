// Command torture asks whether Regrant's promises hold: real workers, nats-server,
// redis-server and a provider with a ledger on disk, a proxy on every way between
// them, a seeded nemesis that kills, stops, cuts and lies, and a judge that reads the
// ledger, the store and the streams afterwards.
//
// The same is then done to a fleet that has a lock and no intent (lockonly). It must
// fail: else the nemesis is too weak, and what Regrant withstood says little.
//
//	make torture FOR=30m SEED=7
//	go run ./internal/torture -for 2m -seed 7
package main
