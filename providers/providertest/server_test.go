package providertest

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestCloseWaitsForHandlersThatAreAtWork(t *testing.T) {
	var slow, finished atomic.Bool
	var s *Server
	reached := make(chan struct{})
	clock := func() time.Time {
		if slow.CompareAndSwap(true, false) {
			close(reached)
			<-s.closing
			for range 1000 {
				runtime.Gosched()
			}
			finished.Store(true)
		}
		return time.Time{}
	}
	s, err := Start(Config{Dir: t.TempDir(), Providers: map[string]Behaviour{"op": {}}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	g := s.Issue("op", "alice")
	slow.Store(true)
	client := make(chan answer, 1)
	go func() { client <- post(newClient(), s.Endpoints("op"), refreshForm(g.RefreshToken)) }()
	<-reached
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !finished.Load() {
		t.Fatal("Close returned before the handler had")
	}
	<-client
}

func TestAnUnknownProviderIsTheCallersMistake(t *testing.T) {
	b := start(t, Behaviour{})
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	b.Issue("nonesuch", "alice")
}

func TestAListenerThatIsGivenIsServedAndClosed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(Config{
		Dir: t.TempDir(), Addr: "not looked at", Listener: listener, Providers: map[string]Behaviour{"op": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "http://" + listener.Addr().String(); s.URL() != want {
		t.Errorf("at %s, not %s", s.URL(), want)
	}
	g := s.Issue("op", "alice")
	if got := post(newClient(), s.Endpoints("op"), refreshForm(g.RefreshToken)); got.status != 200 {
		t.Errorf("%+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}
