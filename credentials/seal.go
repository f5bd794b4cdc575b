package credentials

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/regrant/regrant/secret"
)

// The suite of RFC 9180: what Web Crypto and the libraries of most languages have.
var (
	kem  = hpke.DHKEM(ecdh.X25519())
	kdf  = hpke.HKDFSHA256()
	aead = hpke.AES256GCM()
)

const (
	purpose = "regrant-credentials-v1"
	// block is what an answer's length is a multiple of, for a length tells much
	// about a password.
	block     = 256
	maxSecret = 8 << 10
)

var (
	// ErrCredential means that what the owner gave cannot be sent.
	ErrCredential = errors.New("no user name and password that can be sent")
	// ErrNotOpened means that an answer is not one to this ask: damaged, made for
	// another link, generation or ask, or by somebody who does not know how.
	ErrNotOpened = errors.New("the answer does not open")
)

// Credential is what a provider takes for a user. It prints redacted.
type Credential struct{ Username, Password secret.Value }

// clearCredential is what is sealed.
type clearCredential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Sealed is a Credential that only the Key of its ask opens: the encapsulated key
// (32 bytes), then the ciphertext.
type Sealed []byte

// info is what an answer is bound to: the purpose, then where and when it was asked
// for, joined by line feeds, which stand in none of them.
func (a Ask) info() []byte {
	return []byte(strings.Join([]string{
		purpose, a.Tenant, a.Provider, a.Link, strconv.FormatUint(a.Generation, 10), a.ExpiresAt.UTC().Format(time.RFC3339),
	}, "\n"))
}

// Seal answers an ask. Errors are ErrCredential or ErrAsk and hold no secret.
func (a Ask) Seal(c Credential) (Sealed, error) {
	text, err := c.clear()
	if err != nil {
		return nil, err
	}
	public, err := kem.NewPublicKey(a.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: public_key is no X25519 key", ErrAsk)
	}
	sealed, err := hpke.Seal(public, kdf, aead, a.info(), text)
	if err != nil {
		return nil, fmt.Errorf("seal an answer: %w", err)
	}
	return sealed, nil
}

// clear is the plaintext WITH THE PASSWORD, filled up with blanks, which JSON ignores.
func (c Credential) clear() ([]byte, error) {
	user, password := c.Username.Reveal(), c.Password.Reveal()
	switch {
	case user == "" || password == "":
		return nil, fmt.Errorf("%w: one of the two is empty", ErrCredential)
	case len(user) > maxSecret || len(password) > maxSecret:
		return nil, fmt.Errorf("%w: one of the two is longer than %d bytes", ErrCredential, maxSecret)
	case !utf8.ValidString(user) || !utf8.ValidString(password):
		return nil, fmt.Errorf("%w: they must be UTF-8 (RFC 6749, 4.3.2)", ErrCredential)
	}
	text, err := json.Marshal(clearCredential{user, password})
	if err != nil {
		return nil, ErrCredential // its text may quote them
	}
	return append(text, strings.Repeat(" ", (block-len(text)%block)%block)...), nil
}

// Key opens the answers to one ask. It has no serialised form: it ends with the
// process that asked.
type Key struct {
	private hpke.PrivateKey
	info    []byte
}

// Open opens an answer. The error is ErrNotOpened, whatever is wrong: what does not
// open proves nothing about the session, and others may still answer.
func (k *Key) Open(s Sealed) (Credential, error) {
	text, err := hpke.Open(k.private, kdf, aead, k.info, s)
	if err != nil {
		return Credential{}, ErrNotOpened
	}
	var c clearCredential
	if json.Unmarshal(text, &c) != nil || c.Username == "" || c.Password == "" {
		return Credential{}, ErrNotOpened
	}
	return Credential{Username: secret.New(c.Username), Password: secret.New(c.Password)}, nil
}

// Format and LogValue keep the private key out of what is printed.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, secret.Redacted) }

// LogValue implements slog.LogValuer.
func (k *Key) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }
