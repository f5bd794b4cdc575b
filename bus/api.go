package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// Endpoint is one verb of the API: of a tenant (Handle), of a link (HandleLink), or of
// all workers at once (HandleEveryone).
type Endpoint struct {
	// Verb is the last word of its subjects (events.Subjects.API, APILink).
	Verb string
	// Handle answers the request of a tenant with the reply's JSON, or an error: an
	// *api.Error goes to who asked, of any other only that there was one. It is
	// called from many goroutines at once. ctx ends after one AckWait and Waits, when
	// nobody waits any more, or with the context given to Serve.
	Handle func(ctx context.Context, tenant string, data []byte) ([]byte, error)
	// HandleLink answers the request about a link, as Handle does.
	HandleLink func(ctx context.Context, a events.Address, data []byte) ([]byte, error)
	// HandleEveryone answers an operator, and each process that serves the prefix does.
	HandleEveryone func(ctx context.Context, data []byte) ([]byte, error)
	// Waits is the longest that a request may wait, beside the work on it. Handlers
	// wait in inbox.Waiting, without their slot, and bound themselves how many do.
	Waits time.Duration
}

// ServiceSpec describes the API that this process serves.
type ServiceSpec struct {
	// Name and Version (SemVer) are what the server's `$SRV` subjects show.
	Name, Version string
	Endpoints     []Endpoint
	// Slots bounds how many requests are handled at once. Zero means 16.
	Slots int
	// Answered, if set, is told of each answer: its verb, and "ok" or the code of the
	// refusal. It must not block.
	Answered func(verb, outcome string)
}

const (
	apiSlots = 16
	// apiPending bounds the requests, per verb, that wait here for a slot: more than a
	// fleet's services ask at once when a token dies, less than anybody would wait for.
	apiPending, apiPendingBytes = 16 << 10, 8 << 20
)

// Service answers API requests until it is stopped. All processes that serve the
// same prefix share a queue group: one of them gets each request.
type Service struct {
	bus   *Bus
	micro micro.Service
	log   *slog.Logger
	slots chan struct{}
	told  func(verb, outcome string)

	ctx    context.Context
	cancel context.CancelCauseFunc
	forget func() bool

	mu       sync.Mutex
	stopped  bool
	running  int
	stopping chan struct{} // closed: take no more
	done     chan struct{} // closed: stopped, and no request under way
}

// Serve starts to answer requests. Ending ctx ends the handlers' contexts and
// takes no more; Stop is the gentle way, and must be called in either case.
func (b *Bus) Serve(ctx context.Context, spec ServiceSpec) (*Service, error) {
	if spec.Slots == 0 {
		spec.Slots = apiSlots
	}
	if spec.Answered == nil {
		spec.Answered = func(string, string) {}
	}
	s := &Service{
		bus: b, log: b.log.With("service", spec.Name), slots: make(chan struct{}, spec.Slots), told: spec.Answered,
		stopping: make(chan struct{}), done: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	served, err := micro.AddService(b.conn, micro.Config{Name: spec.Name, Version: spec.Version, Description: "Regrant's API"})
	if err != nil {
		return nil, fmt.Errorf("serve the API: %w", err)
	}
	s.micro = served
	s.forget = context.AfterFunc(ctx, s.halt)
	if err := s.add(ctx, spec.Endpoints); err != nil {
		s.forget()
		s.halt()
		s.cancel(nil)
		return nil, fmt.Errorf("serve the API: %w", b.explain(err))
	}
	return s, nil
}

// add subscribes the endpoints, and returns when the server knows of them.
func (s *Service) add(ctx context.Context, endpoints []Endpoint) error {
	for _, e := range endpoints {
		handler := micro.HandlerFunc(func(r micro.Request) { s.take(e, r) })
		options := []micro.EndpointOpt{
			micro.WithEndpointSubject(e.subjects(s.bus.names.Subjects())), micro.WithEndpointPendingLimits(apiPending, apiPendingBytes),
		}
		if e.HandleEveryone != nil {
			options = append(options, micro.WithEndpointQueueGroupDisabled())
		}
		if err := s.micro.AddEndpoint(e.Verb, handler, options...); err != nil {
			return fmt.Errorf("endpoint %s: %w", e.Verb, err)
		}
	}
	settled, cancel := context.WithTimeout(ctx, s.bus.cfg.Budget.AckWait)
	defer cancel()
	return s.bus.conn.FlushWithContext(settled)
}

// take is called for one request of a verb after the other. It waits for a slot,
// so that the verb's other requests wait in the subscription.
func (s *Service) take(e Endpoint, r micro.Request) {
	if s.bus.borrowed(r.Reply()) {
		s.log.Warn("API request not answered: its reply subject is none of a caller's", "subject", r.Subject())
		return
	}
	taken := false
	select {
	case s.slots <- struct{}{}:
		taken = true
	case <-s.stopping:
	}
	if !s.begin() {
		if taken {
			<-s.slots // those who come back from waiting need it
		}
		s.respond(e.Verb, r, nil, api.Refuse(api.Unavailable, "this worker stops: ask again"))
		return
	}
	go func() {
		defer s.end()
		s.answer(e, r)
	}()
}

// begin counts a request in, unless the service is stopped.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running++
	return true
}

// end frees the slot of a request; the last one of a stopped service says so.
func (s *Service) end() {
	<-s.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running--; s.stopped && s.running == 0 {
		close(s.done)
	}
}

func (s *Service) answer(e Endpoint, r micro.Request) {
	c, err := e.call(s.bus.names.Subjects(), r)
	if err != nil {
		s.respond(e.Verb, r, nil, err)
		return
	}
	ctx, cancel := context.WithTimeout(inbox.WithSlot(s.ctx, apiSlot(s.slots)), s.bus.cfg.Budget.AckWait+e.Waits)
	defer cancel()
	reply, err := s.handle(ctx, c)
	switch {
	case err == nil && int64(len(reply)) > s.bus.conn.MaxPayload():
		err = api.Refuse(api.Invalid, "the answer is larger than a NATS message may be: ask for less, or raise the server's max_payload")
	case err != nil && !errors.As(err, new(*api.Error)):
		s.log.Error("API request failed", "verb", e.Verb, c.about, "error", err)
		err = api.Refuse(api.Unavailable, "the worker could not answer: try again, and see its log")
	}
	s.respond(e.Verb, r, reply, err)
}

// handle turns a panic, whose value may hold anything, into an error.
func (s *Service) handle(ctx context.Context, c call) (reply []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("API request panicked", "verb", c.verb, c.about, "panic", panicText(r), "stack", string(debug.Stack()))
			err = api.Refuse(api.Unavailable, "the worker failed over this request: see its log")
		}
	}()
	return c.do(ctx)
}

// respond sends a reply, or an error in the manner of NATS services: its code and
// message in headers, and as JSON. It does not go through r: that keeps statistics
// of the answer, unguarded, for handlers that answer before they return.
func (s *Service) respond(verb string, r micro.Request, reply []byte, err error) {
	outcome := "ok"
	msg := nats.NewMsg(r.Reply())
	msg.Data = reply
	if e := new(api.Error); errors.As(err, &e) {
		outcome = string(e.Code)
		msg.Header.Set(micro.ErrorCodeHeader, string(e.Code))
		msg.Header.Set(micro.ErrorHeader, e.Message)
		msg.Data, _ = json.Marshal(e) // three texts
	}
	s.told(verb, outcome)
	if msg.Subject == "" {
		return // nobody asked for an answer
	}
	if err := s.bus.conn.PublishMsg(msg); err != nil {
		s.log.Warn("API reply not sent", "subject", r.Subject(), "error", err)
	}
}

// Stop takes no more requests and waits for those under way, which are answered.
// If ctx ends first, their contexts are ended too, and the error says how many
// were still at work. It may be called more than once.
func (s *Service) Stop(ctx context.Context) error {
	s.forget()
	s.halt()
	select {
	case <-s.done:
		s.cancel(nil)
		return nil
	case <-ctx.Done():
	}
	s.cancel(errStopped)
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("stop the API: %d requests still in work: %w", s.running, context.Cause(ctx))
}

// halt ends the subscriptions. A request that was received already, and not
// begun, is told to ask again.
func (s *Service) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	close(s.stopping)
	if s.running == 0 {
		close(s.done)
	}
	if err := s.micro.Stop(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.log.Warn("API not unsubscribed", "error", err)
	}
}
