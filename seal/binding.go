package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// bindingVersion counts the encodings of Binding. It is the first byte of every
// sealed value and part of what the value is bound to, so that a later encoding
// can be told from this one and never be taken for it.
const bindingVersion = 1

// errUnbound is a programmer's mistake: two values sealed without kind or tenant
// would open in each other's place.
var errUnbound = errors.New("seal: a binding needs a kind and a tenant")

// Binding says what a sealed value is and where it belongs. It is authenticated,
// not stored: opening takes exactly the Binding that sealed.
type Binding struct {
	// Kind keeps values of one link apart: its tokens, a spooled response, a
	// pending flow. Required.
	Kind string
	// Tenant owns the link. Required.
	Tenant string
	// Provider and Link name the link; empty where the value precedes it.
	Provider, Link string
	// Consent and Generation count as they do in the link's record, so that a
	// value of the past does not open as the present one.
	Consent, Generation uint64
}

// String names the binding for errors. None of its fields is secret.
func (b Binding) String() string {
	return fmt.Sprintf("%s of %s/%s/%s (consent %d, generation %d)",
		b.Kind, b.Tenant, b.Provider, b.Link, b.Consent, b.Generation)
}

func (b Binding) check() error {
	if b.Kind == "" || b.Tenant == "" {
		return errUnbound
	}
	return nil
}

// associatedData encodes the binding unambiguously: each text is preceded by its
// length, so no byte can move from one field into the next.
func (b Binding) associatedData() []byte {
	out := make([]byte, 0, 128)
	out = appendText(out, "regrant/seal")
	out = append(out, bindingVersion)
	for _, text := range []string{b.Kind, b.Tenant, b.Provider, b.Link} {
		out = appendText(out, text)
	}
	out = binary.BigEndian.AppendUint64(out, b.Consent)
	return binary.BigEndian.AppendUint64(out, b.Generation)
}

// appendText appends text after its length in eight bytes, big-endian.
func appendText(out []byte, text string) []byte {
	out = binary.BigEndian.AppendUint64(out, uint64(len(text)))
	return append(out, text...)
}
