package testop

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// key is the one key of a provider, for signing and, published, for verifying.
type key struct{ private *rsa.PrivateKey }

func newKey(t testing.TB) key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key{private}
}

func (k key) ID() string                                  { return "rs256-1" }
func (k key) Key() any                                    { return k.private }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

type publicKey struct{ key }

func (k publicKey) Key() any                           { return &k.private.PublicKey }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }

func randomKey() (k [32]byte) {
	rand.Read(k[:]) // never fails, see crypto/rand
	return k
}
