package faultproxy

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// chunk is how much is read at once; replies of the protocols here fit into it.
const chunk = 64 << 10

// dialFor bounds a connection to a server that stands still.
const dialFor = 2 * time.Second

// pair is a client's connection and the one that goes on to the server.
type pair struct {
	proxy  *Proxy
	client net.Conn
	asked  bool // a request was forwarded since the proxy was armed; guarded by proxy.mu
	early  bool // the client connected in a partition, and has not been looked at since

	ending sync.Once
	gone   chan struct{} // closed by cut
}

// serve forwards until either side ends, which ends the other.
func (c *pair) serve() {
	defer c.cut()
	waited, alive := c.pass()
	if !alive {
		return
	}
	c.early = waited
	server, err := net.DialTimeout("tcp", c.proxy.target, dialFor)
	if err != nil {
		return // like a server that refuses
	}
	var both sync.WaitGroup
	both.Go(func() { c.forward(c.client, server, c.request) })
	both.Go(func() { c.forward(server, c.client, c.reply) })
	<-c.gone
	_ = server.Close()
	both.Wait()
}

// cut ends both directions.
func (c *pair) cut() {
	c.ending.Do(func() {
		close(c.gone)
		_ = c.client.Close()
	})
}

// forward moves what it reads. What decides what becomes of it, and whether the pair
// lives on.
func (c *pair) forward(from, to net.Conn, what func([]byte) ([]byte, bool)) {
	defer c.cut()
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			out, alive := what(buffer[:n])
			if _, failed := to.Write(out); failed != nil || !alive {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits for the end of a partition, and for the delay. It says whether there was
// a wait, and whether the pair outlived it.
func (c *pair) pass() (waited, alive bool) {
	c.proxy.mu.Lock()
	open, delay := c.proxy.open, c.proxy.delay
	c.proxy.mu.Unlock()
	select {
	case <-open:
	default:
		waited = true
		c.proxy.hold(1)
		defer c.proxy.hold(-1)
		select {
		case <-open:
		case <-c.gone:
			return true, false
		}
	}
	if delay == 0 {
		return waited, true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, true
	case <-c.gone:
		return true, false
	}
}

// request forwards what the client sent, as long as it is there or need not be.
func (c *pair) request(data []byte) ([]byte, bool) {
	waited, alive := c.pass()
	if !alive {
		return nil, false
	}
	if (waited || c.early) && c.proxy.dropOrphans {
		more, end := c.drain()
		if end != nil && (c.early || !errors.Is(end, io.EOF)) {
			return nil, false
		}
		data = append(slices.Clone(data), more...)
	}
	c.early = false
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.asked = true
	return data, true
}

// drain reads what has come from the client meanwhile, without waiting for it, and how
// its connection has ended, if it has: io.EOF is in good order.
func (c *pair) drain() (all []byte, end error) {
	_ = c.client.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer func() { _ = c.client.SetReadDeadline(time.Time{}) }()
	buffer := make([]byte, chunk)
	for {
		n, err := c.client.Read(buffer)
		all = append(all, buffer[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return all, nil
		case err != nil:
			return all, err
		}
	}
}

// reply forwards what the server said, unless it is to be lost.
func (c *pair) reply(data []byte) ([]byte, bool) {
	if _, alive := c.pass(); !alive {
		return nil, false
	}
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.proxy.armed == none || !c.asked {
		return data, true
	}
	kept := 0
	if c.proxy.armed == truncate {
		kept = len(data) / 2
	}
	c.proxy.armed = none
	c.proxy.struck++
	return data[:kept], false
}

func (p *Proxy) hold(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held += n
}
