package events

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/schemas"
)

// Check holds a decoded event against the subject that it came on, which said
// want and name: its type, its subject attribute, its data's own address, and
// the JSON Schema of its data. Errors are *Invalid.
func Check(e event.Event, want Address, name Name) error {
	if err := valid(e); err != nil {
		return err
	}
	got, err := ParseType(e.Type())
	switch {
	case err != nil:
		return err
	case got != name:
		return &Invalid{Field: "type", Reason: FaultWrongType}
	case e.Subject() != want.Link:
		return &Invalid{Field: "subject", Reason: FaultWrongSubject}
	}
	if err := jsonData(e); err != nil {
		return err
	}
	if err := validate(name, e.Data()); err != nil {
		return err
	}
	return agree(e.Data(), want)
}

// agree compares the address in the data with that of the subject.
func agree(data []byte, want Address) error {
	var a Address
	if json.Unmarshal(data, &a) != nil {
		return &Invalid{Field: "data", Reason: FaultUndecodable}
	}
	switch {
	case a.Tenant != want.Tenant:
		return &Invalid{Field: "data.tenant", Reason: FaultWrongSubject}
	case a.Provider != want.Provider:
		return &Invalid{Field: "data.provider", Reason: FaultWrongSubject}
	case a.Link != want.Link:
		return &Invalid{Field: "data.link", Reason: FaultWrongSubject}
	}
	return nil
}

// As returns the data of an event of T's type. It does not validate: use Check
// before. Errors are *Invalid: another type, or a value that Go's type cannot
// hold, such as a number written as 1.0.
func As[T Data](e event.Event) (T, error) {
	var data T
	if e.Context == nil || e.Type() != data.EventName().Type() {
		return data, &Invalid{Field: "type", Reason: FaultWrongType}
	}
	if len(e.Data()) == 0 {
		return data, &Invalid{Field: "data", Reason: FaultMissing}
	}
	if err := json.Unmarshal(e.Data(), &data); err != nil {
		var zero T
		return zero, &Invalid{Field: typeErrorField(err), Reason: FaultMalformed}
	}
	return data, nil
}

// typeErrorField names the field of our own type that a value did not fit.
func typeErrorField(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) && mismatch.Field != "" {
		return "data." + mismatch.Field
	}
	return "data"
}

// invalidData turns a schema's complaint into ours.
func invalidData(bad *schemas.Error) *Invalid {
	field := "data" + strings.ReplaceAll(bad.Location, "/", ".")
	switch bad.Keyword {
	case "json":
		return &Invalid{Field: field, Reason: FaultUndecodable}
	case "required":
		return &Invalid{Field: field, Reason: FaultMissing}
	case "additionalProperties":
		return &Invalid{Field: field, Reason: FaultUnknownField}
	}
	return &Invalid{Field: field, Reason: FaultSchema}
}

// CheckAny is Check for an event that came by no subject, such as one in a file:
// its data says which link it is about.
func CheckAny(e event.Event) error {
	name, err := ParseType(e.Type())
	if err != nil {
		return err
	}
	if err := jsonData(e); err != nil {
		return err
	}
	var a Address
	if json.Unmarshal(e.Data(), &a) != nil {
		return &Invalid{Field: "data", Reason: FaultUndecodable}
	}
	return Check(e, a, name)
}
