package events

import (
	"encoding/json"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"
)

// The headers of our messages. NATS compares header names by case: these are exact.
const (
	HeaderContentType = "content-type"
	HeaderMsgID       = "Nats-Msg-Id"
	HeaderGeneration  = "Regrant-Generation"
	HeaderSequence    = "Regrant-Sequence"
	HeaderReason      = "Regrant-Reason"
	HeaderReplays     = "Regrant-Replays"      // sequence of the input that this one replays
	HeaderFirstStored = "Regrant-First-Stored" // when that was stored first, RFC 3339
	HeaderRun         = "Regrant-Run"          // id of the run of a command that replays it
)

// Message is what a publisher sends.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

// InputMessage makes the message of an input that came from NewInput or passed
// Check. Reports of one expiry share their message id, whoever reports, and show
// generation and reason in headers, so that workers need not open stale ones.
func (s Subjects) InputMessage(e event.Event) (Message, error) {
	if e.Context != nil && e.Type() == NameTokenExpired.Type() {
		return s.tokenExpired(e)
	}
	return s.message(e, true, InputMsgID(e.Source(), e.ID()))
}

func (s Subjects) tokenExpired(e event.Event) (Message, error) {
	d, err := As[TokenExpired](e)
	if err != nil {
		return Message{}, err
	}
	m, err := s.message(e, true, TokenExpiredMsgID(d.Address, d.Generation, d.Fingerprint, d.Reason))
	if err == nil {
		m.Header[HeaderReason] = []string{string(d.Reason)}
	}
	return m, err
}

// OutputMessage makes the message of an output from NewOutput.
func (s Subjects) OutputMessage(e event.Event) (Message, error) {
	number, err := Number(e)
	if err != nil {
		return Message{}, err
	}
	m, err := s.message(e, false, e.ID())
	if err == nil {
		m.Header[HeaderSequence] = []string{strconv.FormatUint(number, 10)}
	}
	return m, err
}

// outside is what a message of an output shows of the event in it.
type outside struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Subject  string `json:"subject"`
	Sequence string `json:"sequence"`
	Data     about  `json:"data"`
}

// StoredOutput makes the message of an output from the text that Encode once gave for
// it. The text goes as it stands: it is our own, and to decode and encode it again
// would cost ten times as much as to look at what shows on the outside.
func (s Subjects) StoredOutput(text []byte) (Message, error) {
	var e outside
	if json.Unmarshal(text, &e) != nil || e.ID == "" {
		return Message{}, &Invalid{Field: "body", Reason: FaultUndecodable}
	}
	name, err := ParseType(e.Type)
	if err != nil {
		return Message{}, err
	}
	number, err := parseNumber(e.Sequence)
	if err != nil {
		return Message{}, err
	}
	if err := e.Data.of(e.Subject); err != nil {
		return Message{}, err
	}
	m, err := s.wrapped(name, false, e.ID, e.Data, text)
	if err == nil {
		m.Header[HeaderSequence] = []string{strconv.FormatUint(number, 10)}
	}
	return m, err
}

func (s Subjects) message(e event.Event, input bool, id string) (Message, error) {
	body, err := Encode(e)
	if err != nil {
		return Message{}, err
	}
	name, err := ParseType(e.Type())
	if err != nil {
		return Message{}, err
	}
	about, err := readAbout(e)
	if err != nil {
		return Message{}, err
	}
	return s.wrapped(name, input, id, about, body)
}

func (s Subjects) wrapped(name Name, input bool, id string, about about, body []byte) (Message, error) {
	if name.Input() != input {
		return Message{}, &Invalid{Field: "type", Reason: FaultWrongType}
	}
	m := Message{Subject: s.Out(about.Address, name), Data: body, Header: map[string][]string{
		HeaderContentType: {ContentType},
		HeaderMsgID:       {id},
	}}
	if input {
		m.Subject = s.In(about.Address, name)
	}
	if about.Generation != 0 {
		m.Header[HeaderGeneration] = []string{strconv.FormatUint(about.Generation, 10)}
	}
	return m, nil
}

// about is the part of every data type that its message shows on the outside.
type about struct {
	Address
	Generation uint64 `json:"generation"`
}

func readAbout(e event.Event) (about, error) {
	var a about
	if json.Unmarshal(e.Data(), &a) != nil {
		return a, &Invalid{Field: "data", Reason: FaultUndecodable}
	}
	return a, a.of(e.Subject())
}

// of holds the data's own address against the envelope's subject.
func (a about) of(subject string) error {
	if a.Link != subject {
		return &Invalid{Field: "subject", Reason: FaultWrongSubject}
	}
	return a.Validate()
}

// GenerationOf reads HeaderGeneration: what lets a worker drop a stale report
// without opening it. False where the header is absent or not a number from 1.
func GenerationOf(header map[string][]string) (uint64, bool) {
	values := header[HeaderGeneration]
	if len(values) != 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(values[0], 10, 64)
	return n, err == nil && n > 0
}
