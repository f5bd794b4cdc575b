package providertest

import (
	"slices"
	"sync"
	"time"
)

// When says on which side of consumption a fault strikes.
type When int

const (
	// Before: the credential was not looked at, and is as good as before.
	Before When = iota
	// After: the server has acted, durably; only the answer suffers.
	After
)

func (w When) String() string { return [...]string{"before", "after"}[w] }

// Kind is what a fault does once its Hold and Delay are over.
type Kind int

const (
	// Delay does nothing more: the request goes on, or its answer goes out.
	Delay Kind = iota
	// Hang never answers; the connection ends when the client or the server does,
	// or with Hold.
	Hang
	// Reset ends the connection with RST.
	Reset
	// CloseNoReply ends the connection with FIN.
	CloseNoReply
	// Status500 answers 500 with a body that is no OAuth error; Status overrides the number.
	Status500
	// Status429 answers 429 with RetryAfter, if set.
	Status429
	// ErrorReply answers Status (zero: 400) with Code (empty: invalid_request) as OAuth error.
	ErrorReply
	// Truncate promises a whole answer and ends the connection in the middle of it.
	Truncate
	// Garbage answers 200 with HTML.
	Garbage
	// Redirect answers 307 to Location; empty is an address of this server
	// that records, like a token endpoint, what is posted to it, and refuses it.
	Redirect

	// The kinds below answer well, but for one lie. Only After. Those about ID
	// tokens lie in the answers to codes and to refresh tokens alike; where there is
	// no ID token they answer the truth. The forged one is no bearer.

	// OtherSubject gives an ID token, or a userinfo, of Sub (empty: somebody else).
	OtherSubject
	// ForeignKey gives an ID token signed by another key under the right key's id.
	ForeignKey
	// WrongIssuer gives another iss: in the ID token, in the redirect of the
	// authorize endpoint (RFC 9207), in the discovery document.
	WrongIssuer
	// WrongAudience gives an ID token for another client.
	WrongAudience
	// WrongNonce gives an ID token with a nonce that nobody asked for.
	WrongNonce
	// NoNonce gives an ID token without the nonce.
	NoNonce
	// ExpiredID gives an ID token whose end was yesterday.
	ExpiredID
	// AlgNone gives an ID token of alg none, without a signature.
	AlgNone
	// PublicKeyHMAC gives an ID token of HS256 whose secret is the PEM of the
	// provider's public key.
	PublicKeyHMAC
	// ManyAccounts lists 10,000 accounts on one page of the accounts endpoint.
	ManyAccounts
	// NextPage says at the accounts endpoint that the next page is at Location;
	// empty is the page that was asked for, again.
	NextPage
)

// Endpoint is where a fault waits.
type Endpoint string

// The endpoints. Only requests to the token endpoint are in the ledger.
const (
	TokenEndpoint     Endpoint = "" // the default
	AuthorizeEndpoint Endpoint = "authorize"
	UserinfoEndpoint  Endpoint = "userinfo"
	AccountsEndpoint  Endpoint = "accounts"
	CustomerEndpoint  Endpoint = "customer"
	DiscoveryEndpoint Endpoint = "discovery"
)

func (k Kind) String() string {
	return [...]string{
		"delay", "hang", "reset", "close", "500", "429", "error", "truncate", "garbage", "redirect",
		"other subject", "foreign key", "wrong issuer", "wrong audience", "wrong nonce", "no nonce",
		"expired id token", "alg none", "public key hmac", "many accounts", "next page",
	}[k]
}

// Fault is scripted for one request. The zero value does nothing but show up in
// the ledger.
type Fault struct {
	When When
	Kind Kind
	// Endpoint is where it waits.
	Endpoint Endpoint
	// Family narrows the fault to requests of one family; others pass by it. An
	// authorize or discovery request is of none.
	Family string
	// Arrived gets the presentation when the fault is reached: the arrival (and
	// After: the outcome) is durable then, and Hold and Delay have not begun. The
	// send blocks until somebody receives or the server closes.
	Arrived chan<- Presentation
	// Hold keeps the request until it is closed, or the server is.
	Hold <-chan struct{}
	// Delay is waited for after Hold, in real time.
	Delay time.Duration
	// RetryAfter is sent as Retry-After by the kinds that answer a status.
	RetryAfter string
	// Status, Code, Location and Sub: see the kinds.
	Status   int
	Code     string
	Location string
	Sub      string
}

func (f *Fault) String() string {
	if f == nil {
		return ""
	}
	return f.When.String() + " " + f.Kind.String()
}

// strikes says whether there is a fault on this side of consumption.
func (f *Fault) strikes(when When) bool { return f != nil && f.When == when }

// script is one provider's queue of faults.
type script struct {
	mu    sync.Mutex
	queue []Fault
}

// take removes and returns the first fault for a request of this family, or nil.
func (s *script) take(at Endpoint, family string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.queue, func(f Fault) bool {
		return f.Endpoint == at && (f.Family == "" || f.Family == family)
	})
	if i < 0 {
		return nil
	}
	taken := s.queue[i]
	s.queue = slices.Delete(s.queue, i, i+1)
	return &taken
}

// Script queues faults for the next requests of the provider; each request takes
// the first that fits its endpoint and family.
func (s *Server) Script(provider string, faults ...Fault) {
	queue := &s.provider(provider).script
	queue.mu.Lock()
	defer queue.mu.Unlock()
	queue.queue = append(queue.queue, faults...)
}

// Scripted is how many faults no request has met yet.
func (s *Server) Scripted(provider string) int {
	queue := &s.provider(provider).script
	queue.mu.Lock()
	defer queue.mu.Unlock()
	return len(queue.queue)
}

// Unscript takes back the faults that no request has met yet.
func (s *Server) Unscript(provider string) {
	queue := &s.provider(provider).script
	queue.mu.Lock()
	defer queue.mu.Unlock()
	queue.queue = nil
}
