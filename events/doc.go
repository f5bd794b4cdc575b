// Package events is what Regrant says and hears: the names of its events, their
// data types, the CloudEvents envelope around them, their ids, and the NATS
// subjects they travel on. It knows no queue; bus and client carry what it makes.
//
// Events cross a trust boundary in one direction. What we publish is built by
// NewOutput and NewInput from Go types. What we receive may come from any
// language and any author, so it passes Decode, which bounds its size and shape
// before a parser sees it, and Check, which holds it against the subject that it
// came on and against the JSON Schema of its type. The subject is the authority:
// NATS permissions are granted on subjects, so data that speaks of another link
// than its subject is refused. Every refusal is an *Invalid, which names a field
// and a reason and never repeats a byte of what was sent.
//
// Ids are computed, not drawn: publishing the same thing again, after a crash or
// by another worker, repeats the id, and brokers and subscribers can drop it.
//
// All functions are pure and safe for concurrent use.
package events
