// Package schemas holds the contract of every event in the form that others can
// read without Go: one JSON Schema (draft 2020-12) per data type, the envelope's,
// and an AsyncAPI document that ties each of them to its subject.
//
// The files are embedded, so that a worker validates with exactly the contract
// that was published with it. They are versioned by name: a change that an
// existing sender or subscriber could notice is a new file, not an edit. Package
// events has tests that hold its Go types and these files to each other.
//
// Validation errors name where, and which keyword, and never what: they end up
// in dead letters and logs, where a payload has no business.
package schemas
