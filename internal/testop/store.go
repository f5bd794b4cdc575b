package testop

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var (
	errUnknown     = errors.New("unknown to this provider")
	errSpent       = errors.New("used before: its grant has ended")
	errUnsupported = errors.New("this provider does not do that")
)

// store is the library's storage, in memory. One lock over all of it: checking
// a credential and spending it must be one step.
type store struct {
	cfg Config
	key key
	now func() time.Time

	mu       sync.Mutex
	users    map[string]User
	requests map[string]authRequest   // by id, until redeemed
	codes    map[string]*code         // kept when spent, to know a replay
	refresh  map[string]*refreshToken // likewise
	access   map[string]*accessToken  // by the jti of the JWT
}

var (
	_ op.Storage                   = (*store)(nil)
	_ op.CanSetUserinfoFromRequest = (*store)(nil)
)

func newStore(cfg Config, k key) *store {
	return &store{
		cfg:      cfg,
		key:      k,
		now:      time.Now,
		users:    map[string]User{},
		requests: map[string]authRequest{},
		codes:    map[string]*code{},
		refresh:  map[string]*refreshToken{},
		access:   map[string]*accessToken{},
	}
}

func (s *store) setUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.Sub] = u
}

func (s *store) user(sub string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[sub]
	return u, ok
}

func (s *store) client(id string) (Client, bool) {
	for _, c := range s.cfg.Clients {
		if c.ID == id {
			return c, true
		}
	}
	return Client{}, false
}

// GetClientByClientID is part of op.Storage, as all exported methods here are.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.client(id)
	if !ok {
		return nil, oidc.ErrInvalidClient().WithParent(errUnknown)
	}
	return registration{c, s.cfg.IDTokenTTL}, nil
}

func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if c, ok := s.client(id); !ok || c.Secret != secret {
		return errUnknown
	}
	return nil
}

func (s *store) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if asked.CodeChallenge == "" || asked.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required (RFC 7636)")
	}
	r := authRequest{id: rand.Text(), asked: *asked}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[r.id] = r
	return r, nil
}

func (s *store) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	return s.request(id)
}

func (s *store) request(id string) (authRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return authRequest{}, errUnknown
	}
	return r, nil
}

// change applies do to a request that has no code yet.
func (s *store) change(id string, do func(*authRequest)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok || r.done {
		return errUnknown
	}
	do(&r)
	s.requests[id] = r
	return nil
}

func (s *store) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.SignatureAlgorithm()}, nil
}

func (s *store) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.key}}, nil }

func (s *store) Health(context.Context) error { return nil }
