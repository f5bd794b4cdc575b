package events

import (
	"errors"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Trace says where an event came from. Empty parts are left out.
type Trace struct{ CorrelationID, CausationID, Traceparent string }

var errTODO = errors.New("not written yet")

func NewOutput(source string, number uint64, at time.Time, tr Trace, d Data) (event.Event, error) {
	return event.Event{}, errTODO
}
func NewInput(source, id string, at time.Time, tr Trace, d Data) (event.Event, error) {
	return event.Event{}, errTODO
}
func Number(e event.Event) (uint64, error) { return 0, errTODO }
func Encode(e event.Event) ([]byte, error) { return nil, errTODO }
func Decode(header map[string][]string, body []byte) (event.Event, error) {
	return event.Event{}, errTODO
}
func Check(e event.Event, want Address, name Name) error        { return errTODO }
func As[T Data](e event.Event) (T, error)                       { var t T; return t, errTODO }
func (s Subjects) InputMessage(e event.Event) (Message, error)  { return Message{}, errTODO }
func (s Subjects) OutputMessage(e event.Event) (Message, error) { return Message{}, errTODO }
func HeaderValue(header map[string][]string, key string) string { return "" }
func GenerationOf(header map[string][]string) (uint64, bool)    { return 0, false }

// Message is what a publisher sends.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

const (
	ContentType       = "application/cloudevents+json"
	HeaderContentType = "content-type"
	HeaderMsgID       = "Nats-Msg-Id"
	HeaderGeneration  = "Regrant-Generation"
	HeaderSequence    = "Regrant-Sequence"
	HeaderReason      = "Regrant-Reason"
	MaxSize           = 64 << 10
	MaxDepth          = 16
	MaxMembers        = 128
)
