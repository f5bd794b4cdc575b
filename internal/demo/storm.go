package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// width is how many links are under fire at the same time.
const width = 8

// target is a link whose bearer has died.
type target struct {
	provider, family string
	resource, bearer string
	reports          int
}

// reaction is what a service does about its 401.
type reaction func(ctx context.Context) error

// side is how services treat a dead bearer.
type side interface {
	// notice is called when a service has got a 401 from target t, an index. All
	// services of a wave have noticed before any of them reacts.
	notice(service, t int) reaction
}

// storm lets services use dead bearers.
type storm struct {
	client   *http.Client
	side     side
	targets  []target
	progress Progress
	made     atomic.Int64
}

// newClient keeps a connection for each request that may be under way: the
// default of two per host would make every other request open its own.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: width * Services, Proxy: nil}}
}

// run returns when every report was made.
func (s *storm) run(ctx context.Context) error {
	indices := make(chan int, len(s.targets))
	for t := range s.targets {
		indices <- t
	}
	close(indices)
	return each(ctx, min(width, len(s.targets)), func(ctx context.Context, _ int) error {
		for t := range indices {
			if err := s.strike(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// strike lets the services find out about one link, in waves. The services of a
// later wave are late: they still hold a bearer that may have been replaced.
func (s *storm) strike(ctx context.Context, t int) error {
	for left := s.targets[t].reports; left > 0; left -= Services {
		if err := s.wave(ctx, t, min(left, Services)); err != nil {
			return err
		}
	}
	return nil
}

func (s *storm) wave(ctx context.Context, t, services int) error {
	reactions := make([]reaction, services)
	err := each(ctx, services, func(ctx context.Context, n int) error {
		status, err := use(ctx, s.client, s.targets[t].resource, s.targets[t].bearer)
		if err == nil && status != http.StatusUnauthorized {
			err = fmt.Errorf("a dead bearer of %s was answered %d instead of 401", s.targets[t].provider, status)
		}
		if err == nil {
			reactions[n] = s.side.notice(n, t)
		}
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, services, func(ctx context.Context, n int) error {
		if err := reactions[n](ctx); err != nil {
			return err
		}
		s.progress.Set(int(s.made.Add(1)))
		return nil
	})
}

// use calls an API with a bearer and returns the status of its answer.
func use(ctx context.Context, client *http.Client, resource, bearer string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, resource, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body) // or the connection is not used again
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// each runs n functions at once and waits for all. The first error ends the
// context of the others.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := do(ctx, i); err != nil {
				cancel(err) // only the first one counts; the rest follows from it
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
