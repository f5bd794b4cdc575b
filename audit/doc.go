// Package audit says who did what to whose grant, in a form that outlives logs.
//
// An [Entry] names an actor, an action, whom it concerns and what caused it. It holds
// no secret: a bearer is named by its fingerprint. Entries are kept in a stream that
// takes no deletion, REGRANT_AUDIT, at "<prefix>.audit.<action>.<tenant>.<provider>.<link>",
// where "_" stands for what an action does not name.
//
// Two rules tell how an entry relates to what it tells:
//
//   - An operator's action is written before its effect. Where the entry cannot be
//     written, the effect does not happen ([Log.Append] first, then act).
//   - What the workers do (a bearer read, a decision carried out, a revocation) is written
//     as it happens and never holds up a link; what could not be written is counted.
//
// Presentations of credentials have no entry: the intent, written before each of them,
// and the record's history are their audit, at no extra write.
package audit
