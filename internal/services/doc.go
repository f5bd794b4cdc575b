// Package services holds tests of what services have of Regrant, with services
// as processes of their own: a fleet that calls an API through package client while
// its tokens expire, a subscriber that is killed over and over, and each role at
// its work at a NATS server that asks who is there.
//
// What the tests believe is the provider's ledger, the streams and what a killed
// process left on disk. A service tells only what nobody else can know: how often
// it sent each request, and what came back.
//
// `go test` runs a short form; REGRANT_SERVICES=full, which `make services` sets, runs
// the whole of it: 20 processes for two minutes, 10,000 rotations.
package services
