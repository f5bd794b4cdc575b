package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/regrant/regrant/events"
)

// MaxRequest bounds a request in bytes. Tokens of the largest kind fit.
const MaxRequest = 64 << 10

// Request is what can be asked: it knows what is wrong with itself.
type Request interface{ Validate() error }

// Decode reads one request, strictly: at most MaxRequest bytes, one JSON object,
// no name twice and none unknown, every field valid. Errors are an *Error with
// the code Invalid, which names the field and never repeats what was sent.
func Decode[T Request](data []byte) (T, error) {
	var in, none T
	if len(data) > MaxRequest {
		return none, invalid("body", "is larger than 64 KiB")
	}
	var bad *events.Invalid
	if err := events.Inspect(data); errors.As(err, &bad) {
		return none, invalid("body", shape(bad.Reason))
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return none, misfit(err)
	}
	if err := in.Validate(); err != nil {
		return none, err
	}
	return in, nil
}

// shape says in words what events.Inspect found.
func shape(reason string) string {
	switch reason {
	case events.FaultDuplicate:
		return "has a name twice"
	case events.FaultTooDeep, events.FaultTooManyMembers:
		return "is nested too deep, or has too many names"
	default:
		return "is not JSON"
	}
}

// fieldName is what a misspelt field may look like. Anything else in its place may
// be a token that slipped, and is not repeated.
var fieldName = regexp.MustCompile(`^[a-z][a-z_]{0,23}$`)

// misfit turns the decoder's complaint, which may quote a value, into ours.
func misfit(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return invalid(wrong.Field, "is not of the type that it has there")
	}
	_, unknown, found := strings.Cut(err.Error(), "unknown field ")
	if unknown = strings.Trim(unknown, `"`); found && fieldName.MatchString(unknown) {
		return invalid(unknown, "is not a field of this request")
	}
	if found {
		return invalid("body", "has a field that this request does not have")
	}
	return invalid("body", "is not a JSON object")
}

// Handler makes what serves a tenant's verb from a function of its request and reply.
func Handler[In Request, Out any](do func(ctx context.Context, tenant string, in In) (Out, error)) func(context.Context, string, []byte) ([]byte, error) {
	return handler(do)
}

// LinkHandler makes what serves a link's verb from a function of its request and reply.
func LinkHandler[In Request, Out any](do func(ctx context.Context, a events.Address, in In) (Out, error)) func(context.Context, events.Address, []byte) ([]byte, error) {
	return handler(do)
}

// handler decodes the request, and encodes the reply, about what the subject names.
func handler[About any, In Request, Out any](do func(ctx context.Context, about About, in In) (Out, error)) func(context.Context, About, []byte) ([]byte, error) {
	return func(ctx context.Context, about About, data []byte) ([]byte, error) {
		in, err := Decode[In](data)
		if err != nil {
			return nil, err
		}
		out, err := do(ctx, about, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}
