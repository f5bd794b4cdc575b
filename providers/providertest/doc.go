// Package providertest is an OAuth 2.0 authorization server for tests and for
// `worker demo`. It stands on the other side: it does what real providers do to
// clients that are careless with one-time refresh tokens, and it is hostile
// where a provider's documentation is silent (the zero [Behaviour] rotates on
// every refresh and revokes the whole family when a used token comes back).
//
// Three properties make it fit for judging a client:
//
//   - Every presentation of a credential is in the [Ledger], an append-only file
//     that is on disk before the server acts on the request and, with its
//     outcome, before anybody can see the answer. Tests count there and nowhere
//     else, also after a crash of the process under test or of the simulator.
//   - It never looks whether the client is still there. A request that arrived
//     in full is carried out, however many callers hung up meanwhile.
//   - Faults are scripted by request, before or after the token was consumed,
//     and may be held by a channel, so that a test orders events by signals and
//     never by sleeping. The token lifetimes and windows follow [Config.Clock].
//
// Its tokens are plain strings, not secret.Value: it is not ours, and tests need
// them for leak scans (see [Server.Issued]). They are not in its log or ledger,
// where a token is a serial number of its family and a fingerprint.
//
// Codes come from [Server.IssueCode] or, bound to redirect_uri and PKCE challenge,
// from the authorize endpoint, where a [Browser] stands in for the user: who logs
// in and what they decide is scripted and not read from a page. Accounts, customer
// and userinfo answer to the bearer, and discovery to all.
//
// A family is what descends from one grant: the refresh tokens, numbered from 1,
// and the bearers issued with each of them. One may begin without a code, with
// a password, an API key or the client itself, where the [Behaviour] allows it; the
// ledger names whose it was and never what was shown.
//
// [Named] has the semantics of the systems that Regrant serves and of public
// providers at their published defaults. Left out is mutual TLS: a listener without
// TLS sees no certificate.
//
// A [Config.Volatile] server is for simulated months: nothing goes to disk, and of
// each family only what is new or good is remembered.
package providertest
