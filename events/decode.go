package events

import (
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
)

// ContentType is that of an event in structured JSON.
const ContentType = "application/cloudevents+json"

// Decode reads an event in either of the content modes of CloudEvents: a
// structured one by its content type, or by its lack of both content type and
// ce- headers; else a binary one. Header names are taken in any case. The event
// conforms to CloudEvents 1.0 and carries JSON, or none; whether it is one of
// ours is for Check to say. Errors are always *Invalid.
func Decode(header map[string][]string, body []byte) (event.Event, error) {
	if len(body) > MaxSize {
		return event.Event{}, &Invalid{Field: "body", Reason: FaultOversized}
	}
	h, err := readHeaders(header)
	if err != nil {
		return event.Event{}, err
	}
	switch {
	case h.structured():
		return decodeStructured(body)
	case h.binary():
		return decodeBinary(h, body)
	case h.contentType == "":
		return event.Event{}, &Invalid{Field: "ce-specversion", Reason: FaultMissing}
	}
	return event.Event{}, &Invalid{Field: HeaderContentType, Reason: FaultUnsupported}
}

func decodeStructured(body []byte) (event.Event, error) {
	if err := inspect(body, true); err != nil {
		return event.Event{}, err
	}
	var e event.Event
	if err := e.UnmarshalJSON(body); err != nil {
		// The SDK's error may quote what it read.
		return event.Event{}, &Invalid{Field: "body", Reason: FaultUndecodable}
	}
	if err := valid(e); err != nil {
		return event.Event{}, err
	}
	if err := jsonData(e); err != nil {
		return event.Event{}, err
	}
	if e.DataBase64 {
		e.DataBase64 = false
		return e, inspect(e.DataEncoded, false)
	}
	return e, nil
}

// Inspect refuses a JSON text that parsers would disagree on or labour over, by
// the rules for event data: MaxDepth, MaxMembers, no name twice in an object. For
// texts that are no events but come from the same senders. Errors are *Invalid.
func Inspect(text []byte) error { return inspect(text, false) }

// inspect bounds the shape of a JSON text and makes sure that it is one, before
// any parser builds something from it. envelope adds what the SDK's parser
// stumbles over in an envelope.
func inspect(text []byte, envelope bool) error {
	if !utf8.Valid(text) {
		return &Invalid{Field: "body", Reason: FaultUndecodable}
	}
	s := scanner{text: text}
	if err := s.scan(); err != nil {
		return err
	}
	if !json.Valid(text) {
		return &Invalid{Field: "body", Reason: FaultUndecodable}
	}
	if envelope {
		return s.envelope()
	}
	return nil
}

// valid applies the rules of CloudEvents 1.0 and reports the first broken one by
// the name of its attribute. The SDK's own error may quote the value.
func valid(e event.Event) error {
	if e.Context == nil || e.SpecVersion() != event.CloudEventsVersionV1 {
		return &Invalid{Field: "specversion", Reason: FaultUnsupported}
	}
	err := e.Validate()
	if err == nil {
		return nil
	}
	var bad event.ValidationError
	if !errors.As(err, &bad) || len(bad) == 0 {
		return &Invalid{Field: "event", Reason: FaultMalformed}
	}
	return &Invalid{Field: attribute(slices.Min(slices.Collect(maps.Keys(bad)))), Reason: FaultMalformed}
}

// attributes are those of CloudEvents 1.0: the names that an Invalid may repeat.
var attributes = []string{"id", "source", "type", "subject", "time", "specversion", "datacontenttype", "dataschema"}

// attribute returns a name if it is a known one: others were chosen by the sender.
func attribute(name string) string {
	if slices.Contains(attributes, name) {
		return name
	}
	return "extension"
}

// jsonData refuses data that is not JSON by its content type. Left out, it is JSON.
func jsonData(e event.Event) error {
	kind := e.DataContentType()
	if kind == "" || kind == jsonType || isJSON(kind) {
		return nil
	}
	return &Invalid{Field: "datacontenttype", Reason: FaultUnsupported}
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == jsonType || kind == "text/json" || strings.HasSuffix(kind, "+json"))
}
