// Package testop is an OpenID provider for tests whose protocol was written by
// somebody else: zitadel/oidc's pkg/op on 127.0.0.1, over a storage of our own.
// Our simulator (providers/providertest) reads the specifications as our client
// does; whatever both misread, this one is there to notice. See
// docs/adr/0009-an-independent-openid-provider-in-tests.md.
//
// It is the library's: the endpoints and their checks, PKCE, discovery, the key
// set, ID tokens (RS256) and access tokens (signed JWTs, so that a subject may
// hold any characters). It is ours, and hostile where a specification says
// SHOULD:
//
//   - refresh tokens are one-time: one that comes back ends its whole grant
//     (RFC 9700, section 4.14.2), and so does a code (RFC 6749, section 4.1.2);
//   - PKCE with S256 is required, and a client must authenticate in the way it
//     was registered with, and in no other;
//   - the authorization response carries iss (RFC 9207), which this version of
//     the library leaves out;
//   - the login and consent pages, and the accounts and customer endpoints.
//
// [OP.Consent] plays the user's browser through those pages, by HTTP. [OP.Counts]
// is what the provider saw, counted before the library looks at a request.
//
// The library takes no clock: lifetimes follow the machine's, and a code does
// not age. A token that was revoked is answered 403 at its userinfo endpoint;
// ours answer 401 (RFC 6750).
//
// Only tests may import this package: it brings a web framework that no
// production binary needs.
package testop
