package faultproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that answers each line with the same line, and tells what came.
func echo(t *testing.T) (addr string, came <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); {
					lines <- in.Text()
					_, _ = io.WriteString(c, in.Text()+"\n")
				}
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), lines
}

func start(t *testing.T, options ...Option) (*Proxy, <-chan string) {
	t.Helper()
	addr, came := echo(t)
	p, err := Start(addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, came
}

// dial connects through the proxy; the connection is known to be whole.
func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // no machine is too slow
	return c
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want)+1)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want+"\n" {
		t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

// holds waits until the proxy has something that may not move.
func holds(t *testing.T, p *Proxy) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for limit := time.After(30 * time.Second); ; {
		p.mu.Lock()
		n := p.held
		p.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-poll.C:
		case <-limit:
			t.Fatal("nothing is held")
		}
	}
}

// ended reads what is left of a connection that the proxy ends.
func ended(t *testing.T, c net.Conn) string {
	t.Helper()
	rest, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection goes on")
	}
	return string(rest)
}

func TestItForwards(t *testing.T) {
	p, came := start(t)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	if got := <-came; got != "one" {
		t.Errorf("the server got %q", got)
	}
}

func TestACutEndsEveryConnectionAndLetsTheNextOneThrough(t *testing.T) {
	p, _ := start(t)
	a, b := dial(t, p), dial(t, p)
	for _, c := range []net.Conn{a, b} {
		say(t, c, "one")
		hear(t, c, "one")
	}
	p.Cut()
	ended(t, a)
	ended(t, b)
	c := dial(t, p)
	say(t, c, "two")
	hear(t, c, "two")
}

func TestNothingMovesInAPartitionAndAllOfItAfterwards(t *testing.T) {
	p, came := start(t)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	<-came
	p.Hold()
	say(t, c, "two")
	late := dial(t, p)
	say(t, late, "three")
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes moved, %v", n, err)
	}
	if len(came) > 0 {
		t.Fatalf("the server got %q", <-came)
	}
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	p.Release()
	hear(t, c, "two")
	hear(t, late, "three")
}

func TestWhatALeavingClientSentIntoAPartition(t *testing.T) {
	for _, c := range []struct {
		name         string
		options      []Option
		reset, early bool
		first        string // what the server gets first
	}{
		{"arrives late", nil, true, false, "left"},
		{"is lost with a connection that is reset", []Option{DropOrphans}, true, false, "kept"},
		{"arrives late where its kernel goes on", []Option{DropOrphans}, false, false, "left"},
		{"is lost with a connection that never was", []Option{DropOrphans}, false, true, "kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, came := start(t, c.options...)
			if c.early {
				p.Hold()
			}
			leaving := dial(t, p)
			if !c.early {
				say(t, leaving, "before")
				hear(t, leaving, "before")
				<-came
				p.Hold()
			}
			say(t, leaving, "left")
			holds(t, p)
			if c.reset {
				_ = leaving.(*net.TCPConn).SetLinger(0)
			}
			_ = leaving.Close()
			p.Release()
			if c.first == "kept" {
				staying := dial(t, p)
				say(t, staying, "kept")
				hear(t, staying, "kept")
			}
			if got := <-came; got != c.first {
				t.Fatalf("the server got %q", got)
			}
		})
	}
}

func TestAReplyIsLostAfterItsRequestArrived(t *testing.T) {
	p, came := start(t)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	<-came
	p.LoseReply()
	say(t, c, "two")
	if got := <-came; got != "two" {
		t.Fatalf("the server got %q", got)
	}
	if rest := ended(t, c); rest != "" {
		t.Fatalf("heard %q", rest)
	}
	c = dial(t, p)
	say(t, c, "three")
	hear(t, c, "three") // it strikes once
	if p.Struck() != 1 {
		t.Errorf("struck %d times", p.Struck())
	}
}

func TestAReplyIsTruncated(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	p.Truncate()
	line := strings.Repeat("x", 99)
	say(t, c, line)
	if rest := ended(t, c); rest != line[:50] {
		t.Fatalf("heard %d bytes", len(rest))
	}
}

func TestWhatIsDisarmedDoesNotStrike(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	p.LoseReply()
	p.Disarm()
	say(t, c, "one")
	hear(t, c, "one")
}

func TestADelayHoldsBothDirections(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	p.Delay(30 * time.Millisecond)
	begin := time.Now()
	say(t, c, "one")
	hear(t, c, "one")
	if took := time.Since(begin); took < 60*time.Millisecond {
		t.Errorf("there and back took %v", took)
	}
}

func TestAServerThatIsAwayEndsTheClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p, err := Start(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ended(t, dial(t, p))
}
