package providers

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
)

// fetcher is the RoundTripper behind everything that is read and not presented:
// keys, userinfo, accounts. go-oidc fetches keys in a goroutine that ignores its
// caller's context; this gives it an end and someone who waits for it.
type fetcher struct {
	base http.RoundTripper
	life context.Context

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
	stop   context.CancelFunc
}

func newFetcher(base http.RoundTripper) *fetcher {
	f := &fetcher{base: base}
	f.life, f.stop = context.WithCancel(context.Background())
	return f
}

// RoundTrip reads the whole answer, so that nothing is under way once it returned.
func (f *fetcher) RoundTrip(req *http.Request) (*http.Response, error) {
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

func (f *fetcher) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wg.Add(1)
	return true
}

func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	f.wg.Wait()
}
