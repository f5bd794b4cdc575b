package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/regrant/regrant/schemas"
)

// The extension attributes that we set. All but sequence and partitionkey are optional.
const (
	extPartitionKey  = "partitionkey"
	extSequence      = "sequence"
	extCorrelationID = "correlationid"
	extCausationID   = "causationid"
	extTraceparent   = "traceparent"
	extExpiryTime    = "expirytime"
	extReplays       = "replays" // id of the event that this one replays
)

const jsonType = "application/json"

// Trace says where an event came from. Empty parts are left out.
type Trace struct {
	CorrelationID string // the first event of the chain
	CausationID   string // the event that triggered this one
	Traceparent   string // W3C Trace Context
}

// CausedBy is the Trace of whatever the event e triggers.
func CausedBy(e event.Event) Trace {
	correlation := extension(e, extCorrelationID)
	if correlation == "" {
		correlation = e.ID()
	}
	return Trace{CorrelationID: correlation, CausationID: e.ID(), Traceparent: extension(e, extTraceparent)}
}

// CauseOf is the id of the event that triggered e; empty where e does not say.
func CauseOf(e event.Event) string { return extension(e, extCausationID) }

// NewOutput makes the number-th event of a link. Its id follows from the link
// and the number alone. The data is not held against its schema: it comes from our
// own types, and a commit must not fail over what a provider called an account.
// What fails, as an *Invalid, is a malformed address or source, number 0, and a
// clock outside the years 0 to 9999, which JSON cannot carry.
func NewOutput(source string, number uint64, at time.Time, tr Trace, d Data) (event.Event, error) {
	if number == 0 {
		return event.Event{}, &Invalid{Field: extSequence, Reason: FaultMalformed}
	}
	e, err := wrap(source, OutputID(d.address(), number), at, tr, d)
	if err != nil {
		return event.Event{}, err
	}
	// 20 digits hold every uint64, so that the text sorts like the number, as
	// the sequence extension demands.
	e.SetExtension(extSequence, fmt.Sprintf("%020d", number))
	return e, nil
}

// NewInput makes an event for the workers. It refuses, as an *Invalid, whatever
// a worker would refuse, so that a mistake shows at its author.
func NewInput(source, id string, at time.Time, tr Trace, d Data) (event.Event, error) {
	e, err := wrap(source, id, at, tr, d)
	if err != nil {
		return event.Event{}, err
	}
	if err := validate(d.EventName(), e.Data()); err != nil {
		return event.Event{}, err
	}
	return e, nil
}

func wrap(source, id string, at time.Time, tr Trace, d Data) (event.Event, error) {
	a := d.address()
	if err := a.Validate(); err != nil {
		return event.Event{}, err
	}
	data, err := json.Marshal(d)
	if err != nil {
		return event.Event{}, &Invalid{Field: "data", Reason: FaultUndecodable}
	}
	e := event.New(event.CloudEventsVersionV1)
	e.SetID(id)
	e.SetSource(source)
	e.SetType(d.EventName().Type())
	e.SetSubject(a.Link)
	e.SetTime(at.UTC())
	e.SetDataContentType(jsonType)
	e.DataEncoded = data
	extend(&e, a, tr, d)
	return e, valid(e)
}

func extend(e *event.Event, a Address, tr Trace, d Data) {
	e.SetExtension(extPartitionKey, a.Token())
	if x, ok := d.(interface{ expiry() time.Time }); ok {
		e.SetExtension(extExpiryTime, types.FormatTime(x.expiry().UTC()))
	}
	for name, value := range map[string]string{
		extCorrelationID: tr.CorrelationID,
		extCausationID:   tr.CausationID,
		extTraceparent:   tr.Traceparent,
	} {
		if value != "" {
			e.SetExtension(name, value)
		}
	}
}

// Number returns the event number of an output, from its sequence.
func Number(e event.Event) (uint64, error) {
	return parseNumber(extension(e, extSequence))
}

func parseNumber(sequence string) (uint64, error) {
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err != nil || n == 0 {
		return 0, &Invalid{Field: extSequence, Reason: FaultMalformed}
	}
	return n, nil
}

// Encode writes an event as structured JSON.
func Encode(e event.Event) ([]byte, error) {
	if err := valid(e); err != nil {
		return nil, err
	}
	text, err := e.MarshalJSON()
	if err != nil {
		return nil, &Invalid{Field: "body", Reason: FaultUndecodable}
	}
	return text, nil
}

// extension returns an extension attribute as text, empty where there is none.
func extension(e event.Event, name string) string {
	if e.Context == nil {
		return ""
	}
	text, err := types.Format(e.Extensions()[name])
	if err != nil {
		return ""
	}
	return text
}

// validate holds data against the JSON Schema of an event.
func validate(n Name, data []byte) error {
	err := schemas.Validate(n.Schema(), data)
	var bad *schemas.Error
	if errors.As(err, &bad) {
		return invalidData(bad)
	}
	return err
}
