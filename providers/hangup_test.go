package providers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regrant/regrant/secret"
)

// unreadServer takes connections and reads none until it is told to, with room for less
// than a request: the rest of it stays with the sender, as all of it does while the
// network is away.
type unreadServer struct {
	listener net.Listener
	read     chan struct{} // closed: connections are read now
	came     chan []byte   // what each of them brought until its end
}

func serveUnread(t *testing.T) *unreadServer {
	t.Helper()
	small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) }); failed != nil {
			return failed
		}
		return err
	}}
	l, err := small.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &unreadServer{listener: l, read: make(chan struct{}), came: make(chan []byte, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			<-s.read
			all, _ := io.ReadAll(c)
			_ = c.Close()
			s.came <- all
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return s
}

func (s *unreadServer) url() string { return "http://" + s.listener.Addr().String() }

// whole says that all of a request came, whose body ends in the credential.
func (s *unreadServer) whole() bool {
	close(s.read)
	return bytes.HasSuffix(<-s.came, []byte(lastOfIt))
}

// The credential of such a request is more than the server has room for, and less than
// we have.
const (
	lastOfIt = "the-end-of-it"
	padding  = 12 << 10
)

func presentUnread(t *testing.T, url string, o Options, d time.Duration) Outcome {
	t.Helper()
	long := secret.New(canary + strings.Repeat("x", padding) + lastOfIt)
	return open(t, profileAt(t, url), o).Refresh(t.Context(), Request{RefreshToken: long, Deadline: time.Now().Add(d)})
}

// A request that has not reached the provider when its attempt is over does not reach it
// afterwards: another worker may have presented the same by then.
func TestARequestIsNotDeliveredAfterItsDeadline(t *testing.T) {
	t.Parallel()
	s := serveUnread(t)
	out := presentUnread(t, s.url(), Options{}, 2*time.Second)
	if out.Class != Ambiguous || out.Reach != ReachWrote {
		t.Fatalf("%s at %s (%v): the request was to be on its way", out.Class, out.Reach, out.Err)
	}
	if s.whole() {
		t.Error("it was delivered")
	}
}

// Nor does what a worker sent that was killed.
func TestARequestIsNotDeliveredAfterItsWorker(t *testing.T) {
	s := serveUnread(t)
	worker := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPresentingWorker$")
	worker.Env = append(os.Environ(), presentTo+"="+s.url())
	said, err := worker.StdoutPipe()
	if err == nil {
		err = worker.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); lines.Scan() && lines.Text() != written; {
	}
	_ = worker.Process.Kill()
	if err := worker.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the worker was to be killed while it waits: %v", err)
	}
	if s.whole() {
		t.Error("it was delivered")
	}
}

const presentTo, written = "REGRANT_TEST_PRESENT_TO", "written"

// TestPresentingWorker is a worker for the test above, and tests nothing.
func TestPresentingWorker(t *testing.T) {
	url := os.Getenv(presentTo)
	if url == "" {
		return
	}
	presentUnread(t, url, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return tellingConn{c.(*net.TCPConn), new(int)}, nil
	}}, time.Minute)
}

// tellingConn says when a whole request was written.
type tellingConn struct {
	*net.TCPConn
	sent *int
}

func (c tellingConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	if *c.sent += n; *c.sent > padding && bytes.HasSuffix(b, []byte(lastOfIt)) {
		fmt.Println(written)
	}
	return n, err
}
