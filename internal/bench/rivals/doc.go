// Command rivals has what is written in an afternoon, carefully, where there is no
// Regrant: `rivals naive` takes one report at a time from JetStream, `rivals
// watermill` gives the same handler to Watermill. The handler locks the link in
// Redis, retrying, looks whether its token is newer than the reported one, calls
// the provider, writes the new token, publishes an event and acknowledges. Nothing
// is recorded before the call, so a crash after it loses the token.
//
// It is a module of its own: what it needs is not what Regrant needs. It shares no
// code with what it is compared with.
package main
