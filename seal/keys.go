package seal

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/regrant/regrant/secret"
)

// subjectKeySize is that of SHA-256's output, which RFC 2104 section 3 asks of an
// HMAC key at least; more would add nothing.
const subjectKeySize = 32

// Keys are the sealing keys and the subject key of one Regrant installation; all
// of its workers share them. Keys are made by Generate or Load, are safe for
// concurrent use, and print nothing of themselves.
type Keys struct {
	subject secret.Value // never changes: see the package documentation

	mu      sync.RWMutex // guards what Rotate replaces
	sealing *keyset.Handle
	aead    tink.AEAD
}

// Generate makes new keys from the system's randomness. They exist in memory
// only: Save them before anything is sealed that shall outlive the process.
func Generate() (*Keys, error) {
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate sealing key: %w", err)
	}
	subject := make([]byte, subjectKeySize)
	_, _ = rand.Read(subject) // never fails (crypto/rand, since Go 1.24)
	return newKeys(handle, subject)
}

func newKeys(handle *keyset.Handle, subject []byte) (*Keys, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use sealing keys: %w", err)
	}
	return &Keys{subject: secret.New(string(subject)), sealing: handle, aead: primitive}, nil
}

// Rotate adds a new primary sealing key; values sealed under the old ones still
// open. It changes this process only. What it then seals no other worker can open
// until that worker has loaded the new keys too, so Save and distribute them
// before they come into use.
func (k *Keys) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	handle, err := withNewPrimary(k.sealing)
	if err != nil {
		return fmt.Errorf("rotate sealing keys: %w", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return fmt.Errorf("rotate sealing keys: %w", err)
	}
	k.sealing, k.aead = handle, primitive
	return nil
}

func withNewPrimary(old *keyset.Handle) (*keyset.Handle, error) {
	manager := keyset.NewManagerFromHandle(old)
	id, err := manager.Add(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, err
	}
	return manager.Handle()
}

func (k *Keys) primitive() tink.AEAD {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.aead
}

// Format and LogValue print secret.Redacted: fmt would otherwise walk into the
// struct's fields, where it asks no method.
func (k *Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, secret.Redacted) }
func (k *Keys) LogValue() slog.Value       { return slog.StringValue(secret.Redacted) }
