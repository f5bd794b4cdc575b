// Package memstore keeps links and consent flows in memory: the reference of what
// a store does, and the store of every test that needs no server.
//
// It holds records in their stored form, as any other store must: what does not
// survive encoding does not survive here either, and nothing that a caller does
// to a Link or a Flow reaches the store. Nothing is kept when the process ends.
//
// Inject makes single calls fail the ways in which a store across a network
// fails: not applied, applied with the answer lost, or slow.
package memstore
