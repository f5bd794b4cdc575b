// Package consents is the domain of consent flows: what a flow is, the states
// that it goes through, and whose login it turns out to be.
//
// A flow begins in a worker, leaves for the user's browser as an authorize URL,
// and comes back as a state and a code. Its record is what makes the code
// one-use: the compare-and-set from Pending to Presented is durable before the
// code is presented, and no other write leads there. What the code brought is
// kept, sealed, in the flow until it was applied to the links that it concerns.
//
// Like package links, nothing here reads a clock, a store or the network: Judge
// is a table, transitions are values. Handlers perform what they say.
package consents
