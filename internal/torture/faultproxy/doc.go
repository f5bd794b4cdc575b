// Package faultproxy stands between a process and a server, and does to their
// connections what networks do: it delays, cuts, stands still, loses the reply to
// a request that arrived, or breaks a reply off in the middle.
//
// It knows bytes and not protocols, so the same proxy serves NATS, Redis and HTTP.
// A request is whatever the client sends, a reply the server's next bytes after it.
package faultproxy
