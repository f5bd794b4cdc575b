// Package permissions says what each role may do at NATS and at Redis, and no more: as
// blocks for nats-server's configuration, as commands for nsc, and as Redis ACLs.
//
// The subjects come from the builders that the programs use (events.Subjects, bus.Names),
// so that a right and its use cannot differ in spelling. docs/nats.conf is what
// `worker permissions` prints; docs/permissions.md lists who may do what, as tests find
// it on real servers. Tests hold both equal to what this package says.
//
// # Two accounts
//
// Services have an account of their own, because permissions alone do not keep them from
// harm: what JetStream confirms, it publishes to whatever reply subject a request named,
// and asks nobody for permission. In the cell's account whoever may report a token may so
// overwrite any record. Between accounts the server puts a reply subject of its own in
// its place. (Scope.Together is for servers where that cannot be had.)
//
// Operators are in the cell's account: they may write records anyway (import, reseal).
// What they cannot do, by such a detour either, is to delete or purge a stream, or to
// change the audit: JetStream's API does not take the server's own confirmations.
package permissions
