// Package testenv gives tests their surroundings: servers, commands, logs.
//
// NATS and Redis run in the test's own process and are always there. RealRedis
// and RealNATS are child processes for what only a process can show: kill -9, a
// stop of the clock, a restart on the same port. Whatever a test starts is
// ended with it, by process id. Everything listens on loopback.
//
// Importing this package links the NATS server (through internal/embedded),
// about five seconds of link time for each test binary: packages that need no
// server keep away from it.
//
// REGRANT_TEST_REDIS=required makes a missing redis-server fail tests that
// otherwise skip; continuous integration sets it.
package testenv
