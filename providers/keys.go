package providers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/regrant/regrant/secret"
)

// keySet verifies with the key that belongs to the token's algorithm: published
// keys for asymmetric ones, the client secret for HMAC. The two never mix; a
// public key taken for an HMAC secret is the oldest forgery there is.
type keySet struct {
	pinned  []jose.SignatureAlgorithm
	remote  oidc.KeySet // nil where no asymmetric algorithm is pinned
	secrets []secret.Value
}

var errSignature = errors.New("no key verifies the signature")

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	token, err := jose.ParseSignedCompact(raw, k.pinned)
	if err != nil || len(token.Signatures) != 1 {
		return nil, errSignature
	}
	if !slices.Contains(symmetric, token.Signatures[0].Header.Algorithm) {
		if k.remote == nil {
			return nil, errSignature
		}
		return k.remote.VerifySignature(ctx, raw)
	}
	for _, s := range k.secrets {
		if payload, err := token.Verify([]byte(s.Reveal())); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// noted remembers how a verification went, because the verifier above it turns
// every failure into one kind of text.
type noted struct {
	keys        oidc.KeySet
	good        bool
	unavailable bool
}

// fetching is how go-oidc begins the error of a failed key fetch; a test holds it
// to that.
const fetching = "fetching keys"

// VerifySignature implements oidc.KeySet.
func (n *noted) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := n.keys.VerifySignature(ctx, raw)
	n.good = err == nil
	n.unavailable = err != nil && strings.HasPrefix(err.Error(), fetching)
	return payload, err
}

// keyFetcher is the RoundTripper behind the key set. go-oidc fetches keys in a
// goroutine that ignores its caller's context; this gives it an end and someone
// who waits for it.
type keyFetcher struct {
	base http.RoundTripper
	life context.Context

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
	stop   context.CancelFunc
}

func newKeyFetcher(base http.RoundTripper) *keyFetcher {
	f := &keyFetcher{base: base}
	f.life, f.stop = context.WithCancel(context.Background())
	return f
}

// RoundTrip reads the whole answer, so that nothing is under way once it returned.
func (f *keyFetcher) RoundTrip(req *http.Request) (*http.Response, error) {
	if !f.enter() {
		return nil, context.Canceled
	}
	defer f.wg.Done()
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(f.life, cancel)()
	res, err := f.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, err := readCapped(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

func (f *keyFetcher) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wg.Add(1)
	return true
}

func (f *keyFetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	f.wg.Wait()
}

// newKeySet makes the key set of a profile; the remote part caches its keys and
// fetches again when it meets a key id that it does not know.
func newKeySet(p Profile, secrets []secret.Value, fetch *keyFetcher, patience time.Duration) *keySet {
	k := &keySet{secrets: secrets}
	for _, alg := range p.IDTokenAlgs {
		k.pinned = append(k.pinned, jose.SignatureAlgorithm(alg))
	}
	if p.JWKSURL != "" {
		client := &http.Client{Transport: fetch, CheckRedirect: stay, Timeout: patience}
		k.remote = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), p.JWKSURL)
	}
	return k
}
