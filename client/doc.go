// Package client is what services import: those that call an API with somebody's
// grant, and those that react to what becomes of one.
//
// # Calling an API
//
// A Link serves one link's bearer. Link.Client and Link.Transport put it into
// requests and see to the rest: a 401 that means a dead token is reported as
// token-expired, the next generation waited for, and the request sent once more.
// However many goroutines and processes see the same 401, one report is stored
// and the token is refreshed once. Nobody but the workers ever refreshes; this
// package never sees a refresh token.
//
// Bearers are kept in memory, per link and bounded (Config.Links). A cached one is
// served without lock or network. It goes when the provider's clock says so, when
// an API refuses it, and when the workers announce that it is dead: the package
// listens to the live events of the providers that are in use. That feed is a hint.
// An event that is missed costs one refused request and nothing else, because the
// refused request asks for a newer generation.
//
// The clock asks and the worker decides: an expired bearer is asked for again, and
// served if the worker believes that it lives, so a wrong clock on this host costs
// questions and no refreshes.
//
// # When there is no bearer
//
// Errors say why, for programs (errors.Is with ErrConsentRequired and its kin) and
// with what is needed to act on it (errors.As with *Error): whom to ask for a
// consent, which link took this one's place, until when the app is suspended.
//
// # Reacting to events
//
// Client.Subscribe hands stored events to typed handlers, at least once, in the
// order of each link, from where the subscription left off. What it promises and
// what not is said there.
//
// # Owning a session
//
// Where a provider renews a token for a password only, Client.ServeCredentials
// answers the workers' question for it from memory (package credentials).
//
// # Permissions
//
// What a service's NATS credentials must allow, and no more. The prefix is regrant
// where none is configured, the role is Config.Role.
//
//	all        sub  _INBOX_<prefix>_<role>.>
//	reporting  pub  <prefix>.in.<tenant>.<provider>.<link>.token-expired
//	tokens     pub  <prefix>.api.<tenant>.<provider>.<link>.token
//	           sub  <prefix>.live.<tenant>.<provider>.*.*  (Config.PerLink: of single links)
//	events     pub  $JS.API.CONSUMER.{INFO,CREATE,MSG.NEXT}.<PREFIX>_OUT.sub-<tenant>-<name>
//	           pub  $JS.ACK.<PREFIX>_OUT.sub-<tenant>-<name>.>, and $JS.ACK.*.*.<PREFIX>_OUT.sub-<tenant>-<name>.>
//	           pub  <prefix>.dead.out.<tenant>.>           (without a DeadLetter of one's own)
//	sessions   sub  <prefix>.credentials.<tenant>.<provider>.*
//	           pub  _INBOX_<prefix>_worker.>
//
// Where the live events are not allowed, a bearer that dies early costs one refused
// request. Where reporting is not, dead bearers wait for somebody else's report.
//
// A Client is one connection to NATS and safe for concurrent use; so is everything
// made from it. No goroutine lives per link.
package client
