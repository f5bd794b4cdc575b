package events

// The faults that an Invalid names in Reason. They are stable: dead letters are counted and
// filtered by them.
const (
	FaultUndecodable    = "undecodable"      // not JSON, not UTF-8, or not a CloudEvent
	FaultOversized      = "oversized"        // more than MaxSize bytes
	FaultTooDeep        = "too_deep"         // nested deeper than MaxDepth
	FaultTooManyMembers = "too_many_members" // an object with more than MaxMembers names
	FaultDuplicate      = "duplicate"        // a name or header that occurs twice
	FaultMissing        = "missing"          // a required attribute or header is absent or empty
	FaultMalformed      = "malformed"        // present, but not of the form that is required
	FaultSchema         = "schema"           // the data breaks its JSON Schema
	FaultUnknownField   = "unknown_field"    // the data has a field that its JSON Schema does not
	FaultUnknownType    = "unknown_type"     // not one of our event types
	FaultWrongType      = "wrong_type"       // one of our event types, but not the one its subject names
	FaultWrongSubject   = "wrong_subject"    // the event speaks of another link than its subject
	FaultUnsupported    = "unsupported"      // a content type other than JSON
)

// Invalid says why an event or a subject was refused. Field is the attribute,
// the header, or data.<path> at fault; Reason one of the Fault constants above.
// Neither ever holds anything that the sender wrote: an Invalid may be logged
// and stored where the payload may not.
type Invalid struct{ Field, Reason string }

// Error names both the reason and the field.
func (e *Invalid) Error() string { return "invalid event: " + e.Reason + " in " + e.Field }
