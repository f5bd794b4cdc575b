package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// fleetLimit bounds a test with real workers.
const fleetLimit = 50 * time.Second

// realCell is a cell with two workers, and links at a provider with one-time refresh
// tokens.
func realCell(t *testing.T, links int) (*fleet.Cell, []fleet.Link) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), fleetLimit)
	defer cancel()
	p, err := providers.Builtin("generic")
	must(t, err)
	p.Rotation, p.MinInterval = providers.RotationAlways, 0
	c, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second, Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{"op": {Behaviour: providertest.Behaviour{AccessTTL: time.Hour}, Profile: p}},
	})
	must(t, err)
	t.Cleanup(func() { ends(t, c.Close) })
	made, err := c.Import(ctx, "op", links)
	must(t, err)
	for _, id := range []string{"a", "b"} {
		w, err := c.Start(t.Context(), id, func(*worker.Options) {})
		must(t, err)
		t.Cleanup(func() { ends(t, w.Stop) })
	}
	return c, made
}

func ends(t testing.TB, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), fleetLimit)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

// counted counts how often each request goes out.
type counted struct {
	mu   sync.Mutex
	sent map[string]int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.sent[r.Header.Get("X-Request")]++
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// Real workers, a provider that takes a refresh token once, and services that see
// tokens die under their hands: every request ends well, none goes out more than
// twice, and each death is one presentation.
func TestServicesWhoseTokensDie(t *testing.T) {
	const services, goroutines, rounds, links = 5, 4, 4, 8
	cell, made := realCell(t, links)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	out := &counted{sent: map[string]int{}}
	handles := make([][]*http.Client, services)
	for i := range handles {
		ctx, cancel := context.WithTimeout(t.Context(), fleetLimit)
		c, err := client.New(ctx, client.Config{URL: cell.Config.NATS.URL, Name: fmt.Sprint("service-", i), Wait: fleetLimit, Log: testenv.Log(t)})
		cancel()
		must(t, err)
		t.Cleanup(func() { ends(t, c.Close) })
		for _, l := range made {
			handles[i] = append(handles[i], &http.Client{Transport: c.Link("op", l.Link).Transport(out)})
		}
	}
	at := cell.Sim.Endpoints("op").ResourceURL
	for round := range rounds {
		if round > 0 { // the first one is on the tokens that were imported
			for _, l := range made {
				cell.Sim.Kill(l.Family)
			}
		}
		var done sync.WaitGroup
		for s := range services {
			for g := range goroutines {
				done.Go(func() {
					for l, hc := range handles[s] {
						call(t, hc, at, fmt.Sprint(round, s, g, l))
					}
				})
			}
		}
		done.Wait()
	}
	for id, n := range out.sent {
		if n > 2 {
			t.Errorf("request %s went out %d times", id, n)
		}
	}
	ledger, err := cell.Sim.Ledger()
	must(t, err)
	if _, most := ledger.MaxPerToken(); most > 1 || len(ledger.PerToken()) != (rounds-1)*links {
		t.Errorf("%d tokens presented, one of them %d times, for %d deaths", len(ledger.PerToken()), most, (rounds-1)*links)
	}
}

// The grant itself is dead: the service learns whom to ask.
func TestAServiceWhoseGrantDies(t *testing.T) {
	cell, made := realCell(t, 1)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), fleetLimit)
	defer cancel()
	c, err := client.New(ctx, client.Config{URL: cell.Config.NATS.URL, Wait: fleetLimit, Log: testenv.Log(t)})
	must(t, err)
	t.Cleanup(func() { ends(t, c.Close) })
	hc, at := c.Link("op", made[0].Link).Client(), cell.Sim.Endpoints("op").ResourceURL
	call(t, hc, at, "before")
	cell.Sim.KillGrant(made[0].Family)
	_, err = hc.Get(at)
	why := (*client.Error)(nil)
	if !errors.Is(err, client.ErrConsentRequired) || !errors.As(err, &why) || why.Nickname != "login 0" {
		t.Errorf("ended with %v", err)
	}
}

func call(t *testing.T, hc *http.Client, url, id string) {
	req, err := http.NewRequestWithContext(within(t), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("X-Request", id)
	resp, err := hc.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != 200 {
		t.Errorf("request %s ended with %d", id, resp.StatusCode)
	}
}
