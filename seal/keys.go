package seal

import (
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

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
	ring    atomic.Pointer[ring]

	mu    sync.Mutex  // one Reload at a time
	path  string      // of the file; empty: in memory only
	stamp fs.FileInfo // of the file as it was read
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
	return newKeys(handle, nil, subject)
}

func newKeys(handle *keyset.Handle, notes map[uint32]Note, subject []byte) (*Keys, error) {
	r, err := newRing(handle, notes)
	if err != nil {
		return nil, fmt.Errorf("use sealing keys: %w", err)
	}
	k := &Keys{subject: secret.New(string(subject))}
	k.ring.Store(r)
	return k, nil
}

// Format and LogValue print secret.Redacted: fmt would otherwise walk into the
// struct's fields, where it asks no method.
func (k *Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, secret.Redacted) }
func (k *Keys) LogValue() slog.Value       { return slog.StringValue(secret.Redacted) }
