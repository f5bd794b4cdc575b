// Package links is the domain of Regrant: a user's grant at one provider login,
// the states it can be in, and every way from one state to another.
//
// A transition is a method of Link that returns another Link. It reads no clock,
// no randomness and no store: the time and all facts are passed in, the events
// that announce the change are already in the outbox of the Link it returns. So
// a change and its announcement are written by one compare-and-set or not at
// all, and the whole protocol can be tested without a server.
//
// What to do when something was heard of a link is Decide, also pure. Handlers
// perform what it says: they hold the locks, call the provider and write the
// record, and they never decide.
//
// The protocol has a model (docs/model). Each transition names the step of the
// model that it implements: a change here begins there.
package links
