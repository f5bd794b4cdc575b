package kvstore

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a client and the server and loses what it is told to
// lose, as networks do: without a word to either side.
type proxy struct {
	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu       sync.Mutex
	open     map[net.Conn]struct{}
	requests *loss // what the client sends is lost
	replies  *loss // what the server sends is lost
	closed   bool
}

// loss is a direction that is being lost. noticed is closed with the first byte.
type loss struct {
	once    sync.Once
	noticed chan struct{}
}

func newLoss() *loss { return &loss{noticed: make(chan struct{})} }

// newProxy listens until the test ends.
func newProxy(t *testing.T, serverURL string) *proxy {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host, open: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

// loseReplies loses what the server says from now on; the channel is closed
// when it has said something.
func (p *proxy) loseReplies() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replies = newLoss()
	return p.replies.noticed
}

// loseRequests loses what clients say.
func (p *proxy) loseRequests() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = newLoss()
	return p.requests.noticed
}

// heal cuts the connections whose bytes were lost; new ones are whole.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.replies = nil, nil
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.heal()
	p.running.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.track(client, server) {
			return
		}
		p.running.Go(func() { p.copy(server, client, func() *loss { return p.requests }) })
		p.running.Go(func() { p.copy(client, server, func() *loss { return p.replies }) })
	}
}

func (p *proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.open[c] = struct{}{}
		if p.closed {
			_ = c.Close()
		}
	}
	return !p.closed
}

// copy passes bytes on or loses them; with one direction the other ends too.
func (p *proxy) copy(to, from net.Conn, lost func() *loss) {
	defer p.drop(to, from)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.lose(lost) {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) lose(lost func() *loss) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := lost()
	if l == nil {
		return false
	}
	l.once.Do(func() { close(l.noticed) })
	return true
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.open, c)
	}
}
