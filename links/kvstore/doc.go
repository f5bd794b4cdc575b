// Package kvstore keeps links in two JetStream key-value buckets, one for the
// records and one for the index, and consent flows in a third. It is the store
// that Regrant runs on.
//
// Its one promise beyond those of package links is honesty about writes whose
// answer was lost, for on that rests that a credential is presented once. The
// server carries out a compare-and-set whether or not the client hears of it. So
// a write that was not answered is repeated, byte for byte at the same revision,
// until something definite comes back; if that is a refusal, the reason may be
// our own earlier try, and the record is read from the stream's leader: if it
// holds our bytes, the write was ours. Two writers never write equal bytes where
// it matters, because every intent carries an attempt id of its own.
//
// What stays unknown is the end of the context: ErrUnknown. Such a write may
// even take place after its call returned, from the network's buffers. The
// connection should be made with nats.ReconnectBufSize(-1), which keeps the
// client's own buffer out of this.
//
// Flows end by themselves: every write of one tells the server how long to keep
// it, for the server forgets what an earlier write had said. What the server
// removed leaves a marker for a while, at a revision of its own, and a marker
// that is kept longer than a key would have been lengthens the key's life.
//
// A client needs publish rights on the buckets' subjects and on the JetStream
// API: STREAM.INFO, STREAM.MSG.GET, DIRECT.GET (of the bucket, for lists, and of its keys) and, for Watch, CONSUMER.CREATE,
// CONSUMER.DELETE and CONSUMER.MSG.NEXT.
package kvstore
