package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/locks"
)

var errAway = errors.New("not confirmed")

// watched is a store that looks at every write, answers late, and may lose its
// replies or let a follower answer.
type watched struct {
	*memstore.Store
	w     *world
	older []links.Stored
	// away: nothing is answered, and nothing done.
	away bool
	// restored: from a backup; what is promised of any other store does not hold.
	restored bool
	// settled are the attempts whose answer the record took in, in any way; decided the
	// number of the last event that the commit of an attempt decided; kept those whose
	// answer the record kept at some time.
	settled, kept map[string]bool
	decided       map[string]uint64
	// intents tells whose the attempts are and since when, due the timers of generations.
	intents map[string]intent
	due     map[uint64]uint64
	fresh   freshRefusals
	// askedBy asked for credentials last; refused are generations whose bearer was.
	askedBy *process
	refused map[uint64]bool
}

func (s *watched) Get(ctx context.Context, a events.Address) (links.Stored, error) {
	s.w.yield(taskOf(ctx), "get")
	if s.away {
		return links.Stored{}, errAway
	}
	if len(s.older) > 0 && s.w.fault("stale read") {
		return s.older[len(s.older)-1], nil
	}
	return s.Store.Get(ctx, a)
}

func (s *watched) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	s.w.yield(taskOf(ctx), "latest")
	s.tooLate(ctx)
	if s.away || s.w.fault("latest fails") {
		return links.Stored{}, errAway
	}
	return s.Store.Latest(ctx, a)
}

func (s *watched) Update(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	s.w.yield(taskOf(ctx), "update")
	s.tooLate(ctx)
	if s.away || s.w.fault("write fails") {
		return 0, s.unknown()
	}
	was, err := s.Store.Latest(context.Background(), l.Address)
	if err != nil {
		return 0, err
	}
	n, err := s.Store.Update(ctx, l, revision)
	if err != nil {
		return n, err
	}
	s.older = append(s.older, was)
	if !s.restored {
		s.look(taskOf(ctx), was.Link, s.w.link())
	}
	if s.w.fault("write's reply is lost") || ctx.Err() != nil {
		return 0, s.unknown()
	}
	if s.w.fault("write's reply is late") {
		return n, s.overtaken(ctx, n)
	}
	return n, nil
}

// tooLate: whoever stood still until its time was over may have been about to say that
// an attempt was not made.
func (s *watched) tooLate(ctx context.Context) {
	if ctx.Err() != nil {
		s.w.lost = true
	}
}

func (s *watched) unknown() error {
	s.w.lost = true // it may have been an intent
	return links.ErrUnknown
}

// overtaken is what a writer hears who repeats its write: with somebody else's
// over it, nobody can tell any more whether there was one.
func (s *watched) overtaken(ctx context.Context, n uint64) error {
	s.w.yield(taskOf(ctx), "reply")
	if ctx.Err() != nil {
		return s.unknown()
	}
	is, err := s.Store.Latest(context.Background(), theLink)
	if err == nil && is.Revision != n {
		err = links.ErrConflict
	}
	return err
}

// broker keeps inputs, timers and outputs.
type broker struct {
	w        *world
	messages []*message
	timers   map[events.Address]armed
	newest   uint64 // of the timers that were ever armed
	stored   []events.Message
	stuck    bool // the output stream answers nothing, and its client tries until its context ends
}

type armed struct {
	number uint64
	at     time.Time
}

// message is an input or a fired timer, with what the server knows of it.
type message struct {
	inbox.Message
	held      []*process // who got a delivery that is not settled
	acked     bool
	notBefore time.Time
	hearsay   bool // a replay or a mistake: it may be settled without effect
	replay    bool
	last      inbox.Verdict // of the delivery that was settled last, as long as it was not acked
}

func (b *broker) add(stream, subject string, head map[string][]string, data []byte) *message {
	m := &message{Message: inbox.Message{
		Stream: stream, Subject: subject, Header: head, Data: data, Sequence: uint64(len(b.messages) + 1), StoredAt: time.Now(),
	}}
	b.messages = append(b.messages, m)
	return m
}

func (m *message) free(now time.Time) bool {
	return !m.acked && len(m.held) == 0 && !now.Before(m.notBefore)
}

// take delivers a message to a process. Without a task, a look settled it.
func (p *process) take(m *message) *task {
	m.Delivered++
	p.w.history.answered()
	delivery := m.Message
	type handler interface {
		Peek(*inbox.Message) (inbox.Verdict, bool)
		Handle(context.Context, *inbox.Message) inbox.Verdict
	}
	var h handler = p.h.Inputs()
	if m.Stream == "REGRANT_TIMER" {
		h = p.h.Dues()
	}
	m.held = append(m.held, p)
	if v, ok := h.Peek(&delivery); ok {
		m.settle(p, v)
		again := delivery
		again.Delivered++ // nothing collapses then
		_, stale := h.Peek(&again)
		p.w.judgeAck(m, map[bool]heed{false: collapsed, true: thoughtStale}[stale])
		return nil
	}
	p.w.judgeUnread(p, m)
	return p.start(m, func(ctx context.Context) {
		v := p.w.guarded(func() inbox.Verdict { return h.Handle(ctx, &delivery) })
		p.w.yield(taskOf(ctx), "settle")
		if v.Kind == inbox.KindDone && p.w.fault("ack is lost") {
			v = inbox.Later(p.w.budget.AckWait)
		}
		m.settle(p, v)
		p.w.judgeAck(m, read)
	})
}

// guarded is what the bus does about a handler that panics.
func (w *world) guarded(handle func() inbox.Verdict) (v inbox.Verdict) {
	defer func() { // Later, at once
		if r := recover(); r != nil {
			w.t.Errorf("a handler panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return handle()
}

func (m *message) settle(p *process, v inbox.Verdict) {
	if !m.acked {
		m.last = v // what an old delivery is settled with afterwards counts for nothing
	}
	if i := slices.Index(m.held, p); i >= 0 {
		m.held = slices.Delete(m.held, i, i+1)
	}
	if v.Kind == inbox.KindLater {
		m.notBefore = time.Now().Add(v.After)
		return
	}
	m.acked = true // also an ack of an old delivery
}

// drop frees what a dead process held.
func (b *broker) drop(p *process) {
	for _, m := range b.messages {
		m.held = slices.DeleteFunc(m.held, func(o *process) bool { return o == p })
	}
}

// Arm is the broker's: only a newer number replaces an armed one.
func (b *broker) Arm(ctx context.Context, a events.Address, number uint64, at time.Time) error {
	b.w.yield(taskOf(ctx), "arm")
	if b.w.fault("timer is refused") {
		return errAway
	}
	if number > b.timers[a].number {
		b.timers[a] = armed{number, at}
		b.newest = max(b.newest, number)
	}
	if b.w.fault("timer's reply is lost") {
		return errAway
	}
	return nil
}

// fire turns the timers whose time has come into messages.
func (b *broker) fire() {
	for a, timer := range maps.Clone(b.timers) {
		if !time.Now().Before(timer.at) {
			delete(b.timers, a)
			b.w.history.answered()
			b.add("REGRANT_TIMER", events.Subjects{}.Due(a), nil, nil)
		}
	}
}

func (b *broker) Publish(ctx context.Context, m events.Message) error {
	b.w.yield(taskOf(ctx), "publish")
	if b.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	if b.w.fault("event is refused") {
		return errAway
	}
	b.store(m)
	if b.w.fault("event's reply is lost") {
		return errAway
	}
	return nil
}

func (b *broker) store(m events.Message) {
	if bytes.Contains(m.Data, []byte(canary)) {
		b.w.t.Errorf("a secret was published on %s", m.Subject)
	}
	for _, o := range b.stored {
		if o.Header[events.HeaderMsgID][0] == m.Header[events.HeaderMsgID][0] {
			if !bytes.Equal(o.Data, m.Data) {
				b.w.t.Errorf("two events of one id on %s", m.Subject)
			}
			return
		}
	}
	if n := sequence(m); n != len(b.stored)+1 && !b.w.store.restored {
		b.w.t.Errorf("event %d is stored after %d others", n, len(b.stored))
	}
	b.stored = append(b.stored, m)
	b.w.judgeWord(m)
}

func sequence(m events.Message) int {
	n, err := strconv.Atoi(m.Header[events.HeaderSequence][0])
	if err != nil {
		return -1
	}
	return n
}

// Last may miss an event that is stored, never name one that is not.
func (b *broker) Last(ctx context.Context, _ events.Address) (uint64, error) {
	b.w.yield(taskOf(ctx), "last")
	if n := len(b.stored); n > 0 && b.w.fault("stale last") {
		return uint64(n - 1), nil
	}
	return uint64(len(b.stored)), nil
}

// feed shows a process the next stored event that its feed has not shown.
func (p *process) feed() {
	if p.fed >= len(p.w.broker.stored) {
		return
	}
	m := p.w.broker.stored[p.fed]
	p.fed++
	a, _, err := events.Subjects{}.ParseOut(m.Subject)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.h.Learn(a, m.Header)
	g, _ := events.GenerationOf(m.Header)
	p.heard = max(p.heard, g)
	synctest.Wait() // whoever waited for this news
}

// locker grants the lock to everybody, unless the world says otherwise: the procedure
// may rely on no lock.
type locker struct{ p *process }

func (l *locker) Acquire(ctx context.Context, name string) (locks.Lease, error) {
	w := l.p.w
	w.yield(taskOf(ctx), "acquire")
	w.locked = name
	if w.locks != nil {
		if err := w.locks(l.p); err != nil {
			return nil, err
		}
	}
	if is := w.leases[name]; w.exclusive && is != nil && is.holds() && !w.fault("lock expires") {
		return nil, locks.ErrHeld
	}
	got := &lease{p: l.p, name: name, renewed: time.Now()}
	if w.sharers != nil {
		got.sharer = w.sharers(taskOf(ctx))
	}
	w.judgeShared(got)
	w.leases[name] = got
	return got, nil
}

// lease is renewed until it is released or its process dies.
type lease struct {
	p       *process
	name    string
	renewed time.Time
	let     bool // its holder is done, whether the server was told or not
	// sharer is the user whose links have one token; empty: it is the link's alone.
	sharer string
}

func (l *lease) holds() bool {
	if !l.let && !l.p.dead {
		l.renewed = time.Now()
	}
	return time.Now().Before(l.renewed.Add(l.p.w.budget.LockTTL))
}

func (l *lease) Release(ctx context.Context) error {
	l.p.w.yield(taskOf(ctx), "release")
	l.holds()
	l.let = true
	if l.p.w.fault("lock is not released") {
		return errAway
	}
	if l.p.w.leases[l.name] == l {
		delete(l.p.w.leases, l.name)
	}
	return nil
}

func (*lease) Lost() <-chan struct{} { return nil }
