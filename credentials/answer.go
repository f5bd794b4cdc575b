package credentials

import (
	"encoding/json"
	"errors"
)

// How an ask may end without credentials. Whoever asks branches on them; any other
// error means that the bus was away and nothing is known.
var (
	// ErrNobody: no owner listens at all.
	ErrNobody = errors.New("no owner of sessions listens")
	// ErrNoAnswer: owners listen, and none had credentials in time.
	ErrNoAnswer = errors.New("no owner of the session answered")
	// ErrRefused: the session is over. An owner also returns it to say so.
	ErrRefused = errors.New("the session is over")
	// ErrNotMine is what an owner returns for a session that it does not hold and
	// that another may: it stays silent.
	ErrNotMine = errors.New("the session is not held here")
)

// Answer is an owner's reply: credentials, or the word that there are none any more.
type Answer struct {
	Sealed  Sealed `json:"sealed,omitempty"`
	Refused bool   `json:"refused,omitempty"`
}

// OpenAnswer reads a reply. The error is ErrRefused, or ErrNotOpened for what is
// none; it holds nothing of the message.
func (k *Key) OpenAnswer(data []byte) (Credential, error) {
	var a Answer
	if len(data) > MaxMessage || json.Unmarshal(data, &a) != nil {
		return Credential{}, ErrNotOpened
	}
	if a.Refused && len(a.Sealed) == 0 {
		return Credential{}, ErrRefused
	}
	return k.Open(a.Sealed)
}
