package events

import (
	"strconv"
	"time"
)

// Original is an input as the stream of inputs holds it.
type Original struct {
	Subject  string
	Header   map[string][]string
	Data     []byte
	Sequence uint64
	StoredAt time.Time
}

// Replay makes the message that puts an input before the workers once more, in the
// run of a command that has this id. The event is the original under another id, with
// its id in the extension "replays", its time as it was, and a message id of its own,
// which the broker's memory of the original does not swallow. Both ids follow from run
// and sequence alone: a run that is resumed repeats them.
//
// The headers say where the original lies and when it was stored. They are claims, as
// all that a publisher writes: whoever reads them may let an input do less for them,
// never more. Errors are *Invalid: the workers would refuse such an input again.
func (s Subjects) Replay(o Original, run string) (Message, error) {
	e, err := Decode(o.Header, o.Data)
	if err != nil {
		return Message{}, err
	}
	if extension(e, extCorrelationID) == "" {
		e.SetExtension(extCorrelationID, e.ID())
	}
	if extension(e, extReplays) == "" { // of what was replayed before, the first is named
		e.SetExtension(extReplays, e.ID())
	}
	sequence := strconv.FormatUint(o.Sequence, 10)
	e.SetID("replay:" + run + ":" + sequence)
	m, err := s.message(e, true, InputMsgID(e.Source(), e.ID()))
	switch {
	case err != nil:
		return Message{}, err
	case m.Subject != o.Subject:
		return Message{}, &Invalid{Field: "subject", Reason: FaultWrongSubject}
	case len(m.Data) > MaxSize:
		return Message{}, &Invalid{Field: "body", Reason: FaultOversized}
	}
	if reason := o.Header[HeaderReason]; len(reason) == 1 {
		m.Header[HeaderReason] = reason
	}
	m.marked(o.Sequence, FirstStored(o.Header, o.StoredAt), run)
	return m, nil
}

func (m Message) marked(sequence uint64, first time.Time, run string) {
	m.Header[HeaderReplays] = []string{strconv.FormatUint(sequence, 10)}
	m.Header[HeaderFirstStored] = []string{first.UTC().Format(time.RFC3339Nano)}
	m.Header[HeaderRun] = []string{run}
}

// Follow marks a message as no younger than the one that led to it, which has this header
// and was stored at this time; and as part of a replay where that one is.
func (m Message) Follow(header map[string][]string, storedAt time.Time) {
	first := FirstStored(header, storedAt)
	if sequence, ok := Replays(header); ok {
		m.marked(sequence, first, Run(header))
		return
	}
	m.Header[HeaderFirstStored] = []string{first.UTC().Format(time.RFC3339Nano)}
}

// Run reads HeaderRun, empty where there is none that a run could have.
func Run(header map[string][]string) string {
	if values := header[HeaderRun]; len(values) == 1 && validLink(values[0]) {
		return values[0]
	}
	return ""
}

// Replays reads HeaderReplays: the sequence of the input that a message replays.
func Replays(header map[string][]string) (sequence uint64, ok bool) {
	values := header[HeaderReplays]
	if len(values) != 1 {
		return 0, false
	}
	sequence, err := strconv.ParseUint(values[0], 10, 64)
	return sequence, err == nil
}

// FirstStored is when an input was stored first: storedAt, or what HeaderFirstStored
// says, if that is earlier.
func FirstStored(header map[string][]string, storedAt time.Time) time.Time {
	if values := header[HeaderFirstStored]; len(values) == 1 {
		if at, err := time.Parse(time.RFC3339Nano, values[0]); err == nil && at.Before(storedAt) {
			return at
		}
	}
	return storedAt
}
