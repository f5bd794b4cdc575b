// Package handlers joins links, providers and locks: one file for each input
// event, and one for each thing that must be done for it. A handler gets a
// message and returns a verdict; it knows no queue. It never decides either:
// links says what to do, handlers do it, in the one order that keeps the
// promises:
//
//	lock · read · intent · provider · spool · verify · commit · timer · outbox · known map · ack
//
// The lock makes contention cheap. The intent, a compare-and-set that is durable
// before the provider is called, makes it correct. The spool is the save:
// from there on an answer survives this process. Timer and outbox come before
// the ack, so a message that is gone has had its effect; whoever finds a newer
// generation than was reported finishes the same two, in the same order, before
// it acks. Step names each point at which a process may die; the crash tests
// kill it there.
package handlers
