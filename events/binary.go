package events

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

const cePrefix = "ce-"

// headers are those of a message that matter to a CloudEvent.
type headers struct {
	contentType string
	// attrs holds the ce- headers by attribute name, as they stand on the wire.
	attrs map[string][]string
}

// readHeaders picks the headers by name in any case; NATS keeps the sender's. A
// name that occurs twice, in whatever case, has no one meaning and is refused.
func readHeaders(header map[string][]string) (headers, error) {
	var h headers
	size := 0
	for key, values := range header {
		name := strings.ToLower(key)
		if name == HeaderContentType {
			if h.contentType != "" || len(values) > 1 {
				return h, &Invalid{Field: HeaderContentType, Reason: FaultDuplicate}
			}
			h.contentType = strings.Join(values, "")
		} else if attr, ok := strings.CutPrefix(name, cePrefix); ok {
			h.add(attr, values)
			size += len(key) + len(strings.Join(values, ""))
		}
	}
	if size > MaxSize {
		return h, &Invalid{Field: "header", Reason: FaultOversized}
	}
	return h, nil
}

func (h *headers) add(attr string, values []string) {
	if h.attrs == nil {
		h.attrs = map[string][]string{}
	}
	h.attrs[attr] = append(h.attrs[attr], values...)
}

func (h headers) structured() bool {
	if h.contentType == "" {
		return len(h.attrs) == 0
	}
	kind, _, _ := strings.Cut(h.contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), ContentType)
}

// binary needs one attribute at least: a batch, or an envelope in another
// format, must not pass for an event without attributes.
func (h headers) binary() bool { return len(h.attrs["specversion"]) > 0 }

// decodeBinary takes the attributes from ce- headers and the body as data.
func decodeBinary(h headers, body []byte) (event.Event, error) {
	e := event.New(event.CloudEventsVersionV1)
	if h.contentType != "" {
		e.SetDataContentType(h.contentType)
	}
	for _, attr := range slices.Sorted(maps.Keys(h.attrs)) {
		value, err := headerValue(attr, h.attrs[attr])
		if err != nil {
			return event.Event{}, err
		}
		if err := setAttribute(&e, attr, value); err != nil {
			return event.Event{}, err
		}
	}
	if err := valid(e); err != nil {
		return event.Event{}, err
	}
	if err := jsonData(e); err != nil {
		return event.Event{}, err
	}
	if len(body) == 0 {
		return e, nil
	}
	e.DataEncoded = slices.Clone(body)
	return e, inspect(body, false)
}

// headerValue undoes the percent-encoding of CloudEvents' HTTP binding (section
// 3.1.3.2), which is also how NATS headers carry more than ASCII.
func headerValue(attr string, values []string) (string, error) {
	if len(values) != 1 {
		return "", &Invalid{Field: cePrefix + attribute(attr), Reason: FaultDuplicate}
	}
	text, err := url.PathUnescape(values[0])
	if err != nil || !utf8.ValidString(text) {
		return "", &Invalid{Field: cePrefix + attribute(attr), Reason: FaultMalformed}
	}
	return text, nil
}

// setAttribute sets one attribute by its name. What the SDK finds wrong with a
// value comes out of valid.
func setAttribute(e *event.Event, name, value string) error {
	switch name {
	case "specversion":
		if value != event.CloudEventsVersionV1 {
			return &Invalid{Field: name, Reason: FaultUnsupported}
		}
	case "id":
		e.SetID(value)
	case "source":
		e.SetSource(value)
	case "type":
		e.SetType(value)
	case "subject":
		e.SetSubject(value)
	case "dataschema":
		e.SetDataSchema(value)
	case "datacontenttype":
		e.SetDataContentType(value)
	case "time":
		at, err := types.ParseTime(value)
		if err != nil {
			return &Invalid{Field: name, Reason: FaultMalformed}
		}
		e.SetTime(at)
	case "data":
		// No attribute may have this name: it would stand beside the data once encoded.
		return &Invalid{Field: "extension", Reason: FaultMalformed}
	default:
		e.SetExtension(name, value)
	}
	return nil
}
