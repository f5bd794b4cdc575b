package seal

import (
	"errors"
	"fmt"
)

// ErrNotOpened means that a sealed value is damaged, belongs elsewhere, or was
// sealed under a key that these Keys lack. Cryptography cannot tell which, and a
// repeat cannot succeed.
var ErrNotOpened = errors.New("sealed value does not open: it is damaged, belongs to another place, " +
	"or was sealed under a key that the keys file lacks; check that every worker has the same keys file")

// ErrUnknownKey is the ErrNotOpened of a value that names a key which the keys file
// lacks now. Unlike the others it may be mended: by giving this host the newest copy
// of the file, which is read then without a restart. Nothing may be given up for it.
var ErrUnknownKey = fmt.Errorf("the keys file lacks the sealing key; give this host the newest copy of it: %w", ErrNotOpened)

// Seal encrypts plaintext under the primary key and binds it to b. Two seals of
// the same plaintext differ. The result is the encoding's version in one byte,
// then Tink's ciphertext (key id, nonce, data, tag): some 46 bytes more than
// went in.
func (k *Keys) Seal(b Binding, plaintext []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	ciphertext, err := k.ring.Load().aead.Encrypt(plaintext, b.associatedData())
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", b, err)
	}
	return append([]byte{bindingVersion}, ciphertext...), nil
}

// Open returns what Seal was given, if b is what Seal was given too. Any other
// outcome is ErrNotOpened.
func (k *Keys) Open(b Binding, sealed []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	switch {
	case len(sealed) == 0:
		return nil, fmt.Errorf("open %s: empty: %w", b, ErrNotOpened)
	case sealed[0] != bindingVersion:
		return nil, fmt.Errorf("open %s: format %d, this release reads %d: %w", b, sealed[0], bindingVersion, ErrNotOpened)
	}
	if id, ok := KeyOf(sealed); ok && !k.Has(id) {
		if _, err := k.Reload(); err != nil {
			return nil, fmt.Errorf("open %s, sealed under key %d: %w (%w)", b, id, ErrUnknownKey, err)
		}
		if !k.Has(id) {
			return nil, fmt.Errorf("open %s, sealed under key %d: %w", b, id, ErrUnknownKey)
		}
	}
	plaintext, err := k.ring.Load().aead.Decrypt(sealed[1:], b.associatedData())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", b, ErrNotOpened)
	}
	return plaintext, nil
}
