package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
)

// Skew is how long after its expiry an ask is still answered: clocks differ, and an
// ask is not stored anywhere from where it could come late.
const Skew = 15 * time.Minute

// MaxMessage bounds an ask and an answer, in bytes.
const MaxMessage = 64 << 10

var (
	// ErrAsk means that a message is no ask, or not one for where it was found.
	ErrAsk = errors.New("not an ask for credentials")
	// ErrStale means that nobody waits for an answer to an ask any more.
	ErrStale = errors.New("the ask for credentials has long expired")
)

// Ask is the question for the credentials of one link. It holds nothing secret.
type Ask struct {
	events.Address
	// Generation is the link's token set that the credentials are to replace.
	Generation uint64 `json:"generation"`
	// PublicKey is where the answer is sealed to, 32 bytes (X25519).
	PublicKey []byte `json:"public_key"`
	// ExpiresAt is when the worker stops waiting, in whole seconds of UTC: its text
	// is part of what the answer is bound to.
	ExpiresAt time.Time `json:"expires_at"`
}

// NewAsk makes an ask and the key that opens the answers to it. expires is rounded
// up to a whole second.
func NewAsk(a events.Address, generation uint64, expires time.Time) (Ask, *Key, error) {
	if err := a.Validate(); err != nil {
		return Ask{}, nil, fmt.Errorf("%w: %w", ErrAsk, err)
	}
	private, err := kem.GenerateKey()
	if err != nil {
		return Ask{}, nil, fmt.Errorf("make a key for an answer: %w", err)
	}
	ask := Ask{Address: a, Generation: generation, PublicKey: private.PublicKey().Bytes(), ExpiresAt: wholeSecond(expires)}
	return ask, &Key{private: private, info: ask.info()}, nil
}

func wholeSecond(t time.Time) time.Time {
	whole := t.UTC().Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return whole
}

// ParseAsk reads an ask and checks it at the owner's time. The error is ErrAsk, or
// ErrStale for one that expired more than Skew ago; it holds nothing of the message.
// Members that are not known are ignored: a newer worker may send them.
func ParseAsk(data []byte, now time.Time) (Ask, error) {
	var a Ask
	if len(data) > MaxMessage || json.Unmarshal(data, &a) != nil {
		return Ask{}, ErrAsk
	}
	if err := a.Validate(); err != nil {
		return Ask{}, fmt.Errorf("%w: %w", ErrAsk, err)
	}
	if _, err := kem.NewPublicKey(a.PublicKey); err != nil {
		return Ask{}, fmt.Errorf("%w: public_key is no X25519 key", ErrAsk)
	}
	if now.After(a.ExpiresAt.Add(Skew)) {
		return Ask{}, ErrStale
	}
	return a, nil
}
