package providers

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync"
	"time"
)

var (
	errLate    = errors.New("the attempt's deadline has passed")
	errAborted = errors.New("the attempt was called off")
	errSecond  = errors.New("an attempt may not ask twice")
)

// attempt is one presentation under way. It knows two things that decide how the
// presentation is judged: whether bytes may still be written, and how far it got.
// Both are noted where they happen, at the socket, because net/http reports
// "wrote the headers" when they are in a buffer.
type attempt struct {
	ctx      context.Context // ends with the deadline, or when called off in time
	deadline time.Time
	clock    func() time.Time

	mu       sync.Mutex
	aborted  bool
	dialled  bool
	asked    bool
	got      Reach
	accepted bool // the socket took at least one byte of the request
	writing  bool // a write of the request is in progress
}

// admit is asked before each write to the socket. It is the last check before a
// process that was stopped for minutes, and woke up believing that nothing
// happened, presents a token that others have meanwhile given up on.
func (a *attempt) admit() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.aborted:
		return errAborted
	case !a.clock().Before(a.deadline):
		return errLate
	}
	a.writing = a.got >= ReachConnected
	return nil
}

// took notes what a write came to: a write that took nothing leaves the request
// unsent.
func (a *attempt) took(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.writing && n > 0 {
		a.accepted = true
		a.got = max(a.got, ReachHeaders)
	}
	a.writing = false
}

// abort calls the attempt off if nothing has been sent. Once a byte is out the
// answer must be waited for: hanging up would create the very loss of a response
// that the rest of the system works to avoid.
func (a *attempt) abort() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accepted || a.writing {
		return false
	}
	a.aborted = true
	return true
}

// once returns errSecond from its second call with the same flag on.
func (a *attempt) once(flag *bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if *flag {
		return errSecond
	}
	*flag = true
	return nil
}

func (a *attempt) reached(r Reach) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = max(a.got, r)
}

func (a *attempt) reach() Reach {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got
}

// sent says whether any byte of the request may have left.
func (a *attempt) sent() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.accepted || a.writing
}

func (a *attempt) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { a.reached(ReachConnected) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				a.reached(ReachWrote)
			}
		},
		GotFirstResponseByte: func() { a.reached(ReachFirstByte) },
	}
}
