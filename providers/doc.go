// Package providers talks to OAuth authorization servers, one request at a time.
//
// A refresh token may be good for a single presentation. Presenting it twice can
// revoke everything the user ever granted, and a response that is lost cannot be
// told from a request that never arrived. So this package does less than an HTTP
// client usually does: one call of Refresh, Exchange or Revoke is at most one POST
// on one fresh connection. Nothing is retried, no redirect is followed, no byte is
// written after the attempt's deadline, and the result says how far the request got.
//
// What a provider does is written down in a Profile: how it authenticates
// clients, whether it rotates, and above all what happens when a token is
// presented again (Replay). Facts that nobody has verified behave like the most
// careful answer: replay is forbidden.
//
// What is read and not presented (keys, userinfo, accounts, customer) may be read
// again, so it ends with its context; but a list is read whole or not at all, for
// what is missing from it would be taken for lost. Who logged in is proven by an ID
// token, or said by userinfo, and every refusal has a reason that an event can name.
//
// The answer is classified once, here, into a Class. Callers branch on the class
// and never on a status, a body or an error text. No error of this package
// carries a response body, the query of a URL or any secret: a hostile or merely
// clumsy server may put our own refresh token into any of them.
//
// Import rule: providers knows nothing of links, locks or the bus; package
// handlers joins them.
package providers
