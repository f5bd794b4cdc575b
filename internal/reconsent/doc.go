// Package reconsent holds the tests of reconsent on real servers, and nothing else.
//
// One runs the decision table from a user's point of view: workers and commands as
// they are built, a configuration file as an operator writes it, and an OpenID
// provider whose protocol somebody else wrote (internal/testop). Whatever it does
// and checks goes through the command line.
//
// The other lets seeds mix refreshes, consents, decisions, repeated inputs and
// workers that die, on NATS and a lock server, and holds what is left against what
// is promised: a consent never goes back, one live link for a login, no code twice.
package reconsent
