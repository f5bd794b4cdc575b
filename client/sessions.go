package client

import (
	"context"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

// remembersOver bounds the sessions that are known to be over, of which workers are
// told so. Beyond it they are silence again.
const remembersOver = 100_000

// Sessions are the user names and passwords of the users that are logged in at this
// service, for links whose provider renews a token for a password only. They are in
// memory and nowhere else, and leave it sealed to the worker that asks (package
// credentials). It is safe for concurrent use.
type Sessions struct {
	client *Client
	stop   func()

	mu   sync.RWMutex
	live map[events.Address]credentials.Credential
	over *lru.Cache[events.Address, struct{}]
}

// ServeCredentials begins to answer the workers' questions for the links of a
// provider; an empty provider means any. It ends with ctx or with Stop, which must be
// called in either case. The NATS credentials must allow to subscribe to
// <prefix>.credentials.<tenant>.<provider>.* and to publish to _INBOX_<prefix>_worker.>.
func (c *Client) ServeCredentials(ctx context.Context, provider string) (*Sessions, error) {
	if provider != "" && !events.ValidProvider(provider) {
		return nil, fmt.Errorf("serve credentials: %q is no name of a provider", provider)
	}
	s := &Sessions{client: c, live: map[events.Address]credentials.Credential{}}
	s.over, _ = lru.New[events.Address, struct{}](remembersOver) // fails for a size below 1 only
	stop, err := c.bus.ServeCredentials(ctx, events.Address{Tenant: c.cfg.Tenant, Provider: provider}, s.give)
	if err != nil {
		return nil, err
	}
	s.stop = stop
	return s, nil
}

// Keep holds a link's user name and password for as long as the session lasts. Call it
// when the user logs in, or at any later moment at which the password is at hand.
func (s *Sessions) Keep(provider, link, username string, password secret.Value) {
	a := s.address(provider, link)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over.Remove(a)
	s.live[a] = credentials.Credential{Username: secret.New(username), Password: password}
}

// Forget drops them at logout. Workers that ask are told at once that the session is
// over, and do not wait for another service.
func (s *Sessions) Forget(provider, link string) {
	a := s.address(provider, link)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, a)
	s.over.Add(a, struct{}{})
}

// Stop ends the answers and drops every session.
func (s *Sessions) Stop() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.live)
	s.over.Purge()
}

func (s *Sessions) address(provider, link string) events.Address {
	return events.Address{Tenant: s.client.cfg.Tenant, Provider: provider, Link: link}
}

// give implements bus.Owner. A session that was never here may be held elsewhere.
func (s *Sessions) give(_ context.Context, a credentials.Ask) (credentials.Credential, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c, ok := s.live[a.Address]; ok {
		return c, nil
	}
	if s.over.Contains(a.Address) {
		return credentials.Credential{}, credentials.ErrRefused
	}
	return credentials.Credential{}, credentials.ErrNotMine
}
