package faultproxy

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy forwards connections to one server. It is safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	// dropOrphans loses what a sender's kernel would not have sent any more.
	dropOrphans bool

	mu     sync.Mutex
	pairs  map[*pair]struct{}
	closed bool
	open   chan struct{} // closed while traffic may move
	delay  time.Duration
	armed  strike
	struck int
	held   int // chunks that wait for the end of a partition

	running sync.WaitGroup
}

// strike is what is to happen to the next reply.
type strike int

const (
	none strike = iota
	lose
	truncate
)

// Option changes a proxy.
type Option func(*Proxy)

// DropOrphans makes a partition one of wires: who connected in it and left, or reset its
// connection before the end of it, is not heard of afterwards. What a client sent that
// closed its connection in good order arrives late, for its kernel goes on sending.
// Without, everything arrives, as from the queues of a proxy.
func DropOrphans(p *Proxy) { p.dropOrphans = true }

// Start listens on a free loopback port for connections to target, HOST:PORT. Whether
// anybody listens there matters when a client comes, not before.
func Start(target string, options ...Option) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy to %s: %w", target, err)
	}
	p := &Proxy{target: target, listener: listener, pairs: map[*pair]struct{}{}, open: make(chan struct{})}
	close(p.open)
	for _, option := range options {
		option(p)
	}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where clients connect, HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Hold makes a partition: nothing moves in either direction, connections stay, new
// ones are accepted and lead nowhere. Release ends it.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default:
	}
}

// Release lets what was held go on, in order.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Delay withholds everything that is read from now on by d, in both directions; zero ends it.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut ends every connection at once, in both directions.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for each := range p.pairs {
		each.cut()
	}
}

// LoseReply arms the proxy once: the next request is forwarded, and its connection is
// cut instead of its reply.
func (p *Proxy) LoseReply() { p.arm(lose) }

// Truncate arms the proxy once: of the next reply the first half is forwarded.
func (p *Proxy) Truncate() { p.arm(truncate) }

// Disarm takes back what was armed and has not struck.
func (p *Proxy) Disarm() { p.arm(none) }

func (p *Proxy) arm(s strike) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = s
	for each := range p.pairs {
		each.asked = false
	}
}

// Struck is how many replies were lost or truncated.
func (p *Proxy) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// Close cuts every connection and waits for the proxy's end.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for each := range p.pairs {
		each.cut()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.admit(client)
	}
}

// admit begins a pair; its server is dialled by the goroutine that serves it, once
// there is no partition.
func (p *Proxy) admit(client net.Conn) {
	each := &pair{proxy: p, client: client, gone: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = client.Close()
		return
	}
	p.pairs[each] = struct{}{}
	p.running.Go(func() {
		each.serve()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, each)
	})
}
