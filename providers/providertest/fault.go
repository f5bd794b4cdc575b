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
	// OtherSubject answers well, with an ID token of somebody else. Only After.
	OtherSubject
	// ForeignKey answers well, with an ID token signed by an unknown key. Only After.
	ForeignKey
)

func (k Kind) String() string {
	return [...]string{
		"delay", "hang", "reset", "close", "500", "429", "error", "truncate", "garbage", "redirect",
		"other subject", "foreign key",
	}[k]
}

// Fault is scripted for one request. The zero value does nothing but show up in
// the ledger.
type Fault struct {
	When When
	Kind Kind
	// Family narrows the fault to requests of one family; others pass by it.
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
	// Status, Code and Location: see the kinds.
	Status   int
	Code     string
	Location string
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
func (s *script) take(family string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.queue, func(f Fault) bool { return f.Family == "" || f.Family == family })
	if i < 0 {
		return nil
	}
	taken := s.queue[i]
	s.queue = slices.Delete(s.queue, i, i+1)
	return &taken
}

// Script queues faults for the next token requests of the provider; each request
// takes the first that fits its family.
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
