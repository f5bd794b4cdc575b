// Package bus is everything that Regrant does with NATS JetStream, except the
// key-value store behind the links: streams and consumers, taking messages in,
// acknowledging them, dead letters, timers, outputs and the live feed.
//
// # Taking messages
//
// JetStream redelivers a message that is not settled within AckWait, to whoever
// asks next. AckWait also runs while a message waits in a client's buffer, so a
// buffer is a machine for making duplicates. A Consumer therefore asks for
// exactly as many messages as it has free slots, starts each one the moment it
// arrives, and renews the deadline of all that it holds from one ticker. What a
// handler can settle from subject and headers alone (Peek) needs no slot for
// longer than the look takes: a storm of duplicates passes at the speed of
// asking and acknowledging.
//
// An acknowledgement is a promise that the effect is durable. Handlers answer
// with a verdict (package inbox) and never see a message of NATS; settle.go is
// the one place that turns verdicts into acknowledgements. A dead letter is
// stored, and its storing confirmed, before the message is terminated, so that a
// crash in between repeats a reference and loses nothing.
//
// A consumer can be paused, for an app that refuses us: it then asks for nothing,
// so that waiting costs no deliveries, and takes single messages when told to.
//
// # Timers
//
// One message schedule per link fires into the link's due subject. Schedules are
// last-writer-wins by nature; here each carries the number of the due that it
// stands for and is published with the sequence it expects to replace, so a slow
// worker cannot put an old timer over a newer one.
//
// # Publishing
//
// Every publish waits for the server's confirmation and repeats itself, under
// the same message id, while the outcome is unknown. Nothing is buffered while
// the connection is away: a publish that its caller gave up on must not be
// stored behind the caller's back.
//
// # Times
//
// All protocol times come from one budget. The server's own times (Now, StoredAt)
// are the only clock that workers share.
package bus
