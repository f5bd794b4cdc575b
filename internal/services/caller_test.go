package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/regrant/regrant/client"
)

// callerOrders are those of a service that calls an API for many links.
type callerOrders struct {
	NATS, API string
	// Links by id, each with the subject that the API must find behind its bearer.
	Links map[string]string
	// Slow is how far behind the service's clock is.
	Slow time.Duration
	// Margin is client.Config's.
	Margin     time.Duration
	Goroutines int
	Pause      time.Duration
}

// callerResult is what such a service has to tell.
type callerResult struct {
	Requests, Retried, MostSent int
	Failed                      int
	Failures                    []string // the first few
	// Added is what the transport took beside the API, in the middle and for all but a
	// hundredth of the requests, in nanoseconds.
	P50, P99 time.Duration
}

// calls is the service: until it is told to end, each of its goroutines makes one
// request after the other, for any of the links.
func calls(ctx context.Context, orders []byte) error {
	var o callerOrders
	if err := json.Unmarshal(orders, &o); err != nil {
		return err
	}
	c, err := connect(ctx, client.Config{
		URL: o.NATS, Name: "caller", Wait: patience, Margin: o.Margin,
		Now: func() time.Time { return time.Now().Add(-o.Slow) },
	})
	if err != nil {
		return err
	}
	s := &caller{api: o.API}
	for id, sub := range o.Links {
		l := c.Link("op", id)
		s.links = append(s.links, called{sub, &http.Client{Transport: timed{l.Transport(counted{http.DefaultTransport})}}})
	}
	fmt.Println(saysReady)
	var all sync.WaitGroup
	for range o.Goroutines {
		all.Go(func() { s.work(ctx, o.Pause) })
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	s.tell()
	return leave(c)
}

// called is a link as a service has it.
type called struct {
	sub  string
	http *http.Client
}

type caller struct {
	api   string
	links []called

	mu     sync.Mutex
	result callerResult
	added  []time.Duration
}

func (s *caller) work(ctx context.Context, pause time.Duration) {
	next := time.NewTicker(pause)
	defer next.Stop()
	for ctx.Err() == nil {
		var r request
		err := s.call(&r, s.links[rand.IntN(len(s.links))])
		s.note(&r, err)
		select {
		case <-next.C:
		case <-ctx.Done():
		}
	}
}

// call makes one request, whatever becomes of the service meanwhile.
func (s *caller) call(r *request, l called) error {
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), request{}, r), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api, nil)
	if err != nil {
		return err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var whose struct{ Sub string }
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	case json.Unmarshal(body, &whose) != nil || whose.Sub != l.sub:
		return errors.New("the bearer was another link's")
	}
	return nil
}

func (s *caller) note(r *request, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Requests++
	s.result.MostSent = max(s.result.MostSent, r.sent)
	s.added = append(s.added, r.took-r.below)
	if r.sent > 1 {
		s.result.Retried++
	}
	if err == nil {
		return
	}
	if s.result.Failed++; len(s.result.Failures) < 5 {
		s.result.Failures = append(s.result.Failures, err.Error())
	}
}

func (s *caller) tell() {
	slices.Sort(s.added)
	if n := len(s.added); n > 0 {
		s.result.P50, s.result.P99 = s.added[n/2], s.added[n*99/100]
	}
	text, _ := json.Marshal(s.result) // numbers and texts
	fmt.Println(saysResult + string(text))
}

// request is one request of a service as it passes: how often it was sent, what that
// took, and what it took altogether. It travels in the request's context.
type request struct {
	sent        int
	below, took time.Duration
}

func of(r *http.Request) *request { return r.Context().Value(request{}).(*request) }

// timed stands above the transport that is looked at, counted below it.
type timed struct{ base http.RoundTripper }

func (t timed) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	defer func() { of(r).took = time.Since(began) }()
	return t.base.RoundTrip(r)
}

type counted struct{ base http.RoundTripper }

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	began, of := time.Now(), of(r)
	of.sent++
	defer func() { of.below += time.Since(began) }()
	return c.base.RoundTrip(r)
}
