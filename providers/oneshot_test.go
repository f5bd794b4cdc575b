package providers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/secret"
)

// Whatever happens to the answer, the server has seen one connection and one
// request. Each case is a way in which net/http or x/oauth2 asks again when one
// of the guards is removed.
func TestEveryFailurePresentsOnce(t *testing.T) {
	huge := strings.Repeat("x", maxBody+1)
	cases := []struct {
		name   string
		script func(net.Conn)
		class  Class
		reach  Reach
	}{
		{"closed without a word", func(net.Conn) {}, Ambiguous, ReachWrote},
		{"reset", reset, Ambiguous, ReachWrote},
		{"half a status line", say("HTTP/1."), Ambiguous, ReachFirstByte},
		{"half the headers", say("HTTP/1.1 200 OK\r\nContent-Le"), Ambiguous, ReachFirstByte},
		{"half a body", say("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + goodBody), Ambiguous, ReachFirstByte},
		{"half a body and reset", func(c net.Conn) {
			say("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")(c)
			reset(c)
		}, Ambiguous, ReachFirstByte},
		{"half a body without a length", say("HTTP/1.1 200 OK\r\n\r\n" + goodBody[:40]), Ambiguous, ReachRead},
		{"half a form without a length", say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\naccess_token=a&refresh_token=tr"), Ambiguous, ReachRead},
		{"not HTTP", say("220 mail.example.com ESMTP " + canary + "\r\n"), Ambiguous, ReachFirstByte},
		{"garbage", say(whole(200, "application/json", "<html>")), Ambiguous, ReachRead},
		{"an answer and more behind it", say(whole(200, "application/json", goodBody+"{")), Ambiguous, ReachRead},
		{"too much", say(whole(200, "application/json", `{"access_token":"a","x":"`+huge+`"}`)), Ambiguous, ReachFirstByte},
		{"too many headers", say("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeaders) + "\r\n\r\n"), Ambiguous, ReachFirstByte},
		{"interim replies without end", say(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1) + whole(200, "application/json", goodBody)), Ambiguous, ReachFirstByte},
		{"500", say(whole(500, "application/json", `{"error":"server_error"}`)), Ambiguous, ReachRead},
		{"401", say(whole(401, "application/json", `{"error":"invalid_client"}`)), OurFault, ReachRead},
		{"400", say(whole(400, "application/json", `{"error":"invalid_grant"}`)), GrantDead, ReachRead},
		{"fine", say(whole(200, "application/json", goodBody)), OK, ReachRead},
		{"fine after an interim reply", say("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole(200, "application/json", goodBody)), OK, ReachRead},
	}
	ways := map[string]func(*testing.T, *Provider) Outcome{"refresh": refresh, "code": exchangeCode}
	for _, g := range otherGrants {
		ways[string(g)] = presented(g)
	}
	for way := range ways {
		for i, c := range cases {
			style := []AuthStyle{AuthBasic, AuthPost}[i%2]
			t.Run(way+"/"+c.name, func(t *testing.T) {
				s := serveRaw(t, c.script)
				profile := profileAt(t, s.url())
				profile.AuthStyle = style
				out := ways[way](t, open(t, profile, Options{}))
				if way == string(GrantClientCredentials) && c.class == GrantDead {
					c.class = OurFault // nobody else's credential was shown
				}
				if out.Class != c.class || (out.Reach != c.reach && c.name != "reset") {
					t.Errorf("%s at %s (%v), want %s at %s", out.Class, out.Reach, out.Err, c.class, c.reach)
				}
				if s.conns.Load() != 1 || s.posts.Load() != 1 {
					t.Errorf("%d connections and %d requests, want one of each", s.conns.Load(), s.posts.Load())
				}
				if (out.Err == nil) != (out.Class == OK) || (out.Answer != nil) != (out.Class == OK) {
					t.Errorf("error %v and answer %v do not go with %s", out.Err, out.Answer, out.Class)
				}
			})
		}
	}
}

// A second refresh on the same Provider must not find the first one's connection,
// even where the server would keep it.
func TestConnectionsAreNotKept(t *testing.T) {
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, goodBody) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	p := open(t, profileAt(t, s.URL), Options{})
	for range 3 {
		if out := refresh(t, p); out.Class != OK {
			t.Fatal(out.Err)
		}
	}
	if conns.Load() != 3 {
		t.Fatalf("%d connections for 3 refreshes", conns.Load())
	}
}

// Three guards stand against a redirect: the client that stays, the attempt that
// asks once and the attempt that dials once. This fails when all three are gone.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, goodBody) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		p := open(t, profileAt(t, s.URL), Options{})
		for _, g := range append(otherGrants, GrantRefreshToken) {
			out := presented(g)(t, p)
			if out.Class != OurFault || out.Status != status {
				t.Errorf("%s %d: %s %d %v", g, status, out.Class, out.Status, out.Err)
			}
		}
	}
	if elsewhere.posts.Load() != 0 {
		t.Fatal("the refresh token was carried to another host")
	}
}

// net/http sends a request again when it bears one of these.
func TestNothingInvitesNetHTTPToSendAgain(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://op.example/token", strings.NewReader("a=b"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "k")
	req.Header.Set("X-Idempotency-Key", "k")
	a := &attempt{ctx: t.Context(), clock: time.Now, deadline: time.Now().Add(time.Hour)}
	x := &exchange{attempt: a, base: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.GetBody != nil || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != "" {
			t.Error("the request can be sent again")
		}
		return nil, http.ErrHandlerTimeout
	})}
	_, _ = x.RoundTrip(req)
	if _, err := x.RoundTrip(req); !errors.Is(err, errSecond) {
		t.Fatalf("the second request of one attempt: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSocketClosesWithItsAttempt(t *testing.T) {
	s := serveRaw(t, func(net.Conn) {})
	p := open(t, profileAt(t, s.url()), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	a := &attempt{ctx: ctx, clock: time.Now, deadline: time.Now().Add(time.Hour)}
	conn, err := p.dialAttempt(context.WithValue(t.Context(), attemptKey{}, a), "tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the server is silent and the socket says %v", err)
	}
}

// The zero AuthStyle of x/oauth2 tries both styles, that is, presents the token
// twice. No profile can ask for it.
func TestUnknownAuthStyleDoesNotPresentTwice(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	for _, style := range []AuthStyle{"", "auto", "autodetect"} {
		profile := profileAt(t, s.URL)
		profile.AuthStyle = style
		if _, err := New("op", profile, Options{}); err == nil {
			t.Errorf("auth style %q was accepted", style)
		}
	}
	if AuthPost.oauth2() != oauth2.AuthStyleInParams || AuthNone.oauth2() != oauth2.AuthStyleInParams || AuthBasic.oauth2() != oauth2.AuthStyleInHeader {
		t.Error("a style is left to be guessed")
	}
}

func TestSecondConnectionOfAnAttemptIsRefused(t *testing.T) {
	s := serveRaw(t, func(net.Conn) {})
	p := open(t, profileAt(t, s.url()), Options{})
	a := &attempt{ctx: t.Context(), clock: time.Now, deadline: time.Now().Add(time.Hour)}
	ctx := context.WithValue(t.Context(), attemptKey{}, a)
	first, err := p.dialAttempt(ctx, "tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if second, err := p.dialAttempt(ctx, "tcp", s.listener.Addr().String()); err == nil {
		_ = second.Close()
		t.Fatal("the attempt was given a second connection")
	}
	if _, err := p.dialAttempt(t.Context(), "tcp", s.listener.Addr().String()); !errors.Is(err, errSecond) {
		t.Fatalf("a connection without an attempt: %v", err)
	}
}

func TestRefreshSendsNothingButTheGrant(t *testing.T) {
	forms := make(chan url.Values, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		if id, key, _ := r.BasicAuth(); id != "client-1" || key != secretCanary {
			t.Error("the client is not authenticated")
		}
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("a compressed answer is invited: a few bytes may unpack to any size")
		}
		forms <- r.PostForm
		fmt.Fprint(w, goodBody)
	})
	profile := profileAt(t, s.URL)
	profile.Scopes = []string{"accounts"}
	if out := refresh(t, open(t, profile, Options{})); out.Class != OK {
		t.Fatal(out.Err)
	}
	want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {canary}}
	if got := <-forms; got.Encode() != want.Encode() {
		t.Fatalf("sent %v", got)
	}
}

func tlsServer(t *testing.T, hello func()) (*httptest.Server, *int) {
	t.Helper()
	posts := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posts++
		fmt.Fprint(w, goodBody)
	}))
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { hello(); return nil, nil }}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &posts
}

// A worker that was stopped between connecting and writing must not write when it
// wakes up: its deadline is over and others have judged the attempt.
func TestNothingIsWrittenAfterTheDeadline(t *testing.T) {
	clock := newStepClock()
	s, posts := tlsServer(t, func() { clock.step(time.Hour) })
	p := open(t, profileAt(t, s.URL), Options{Clock: clock.now, RootCAs: roots(s)})
	out := refresh(t, p)
	if out.Class != NotSent || out.Reach != ReachNone {
		t.Fatalf("%s at %s: %v", out.Class, out.Reach, out.Err)
	}
	s.Close()
	if *posts != 0 {
		t.Fatal("a request was written after its deadline")
	}
}

func TestDeadlineBetweenConnectAndWrite(t *testing.T) {
	clock := newStepClock()
	a := &attempt{ctx: t.Context(), clock: clock.now, deadline: clock.now().Add(time.Second)}
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	c := &guardedConn{Conn: near, attempt: a}
	a.trace().GotConn(httptrace.GotConnInfo{})
	clock.step(time.Second)
	if n, err := c.Write([]byte("POST")); n != 0 || !errors.Is(err, errLate) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if a.sent() || a.reach() != ReachConnected {
		t.Fatalf("sent %v, reach %s", a.sent(), a.reach())
	}
}

func TestPastDeadlineAndEndedContextAreNotSent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, goodBody) })
	p := open(t, profileAt(t, s.URL), Options{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, out := range map[string]Outcome{
		"deadline": p.Refresh(t.Context(), Request{RefreshToken: secret.New(canary), Deadline: time.Now().Add(-time.Second)}),
		"context":  p.Refresh(ended, Request{RefreshToken: secret.New(canary)}),
		"no token": p.Refresh(t.Context(), Request{}),
	} {
		if out.Class != NotSent || out.Reach != ReachNone || out.Err == nil {
			t.Errorf("%s: %s at %s: %v", name, out.Class, out.Reach, out.Err)
		}
	}
	if s.posts.Load() != 0 {
		t.Fatal("something was sent")
	}
}

func TestCancelBeforeTheFirstByteIsNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, posts := tlsServer(t, cancel)
	p := open(t, profileAt(t, s.URL), Options{RootCAs: roots(s)})
	// The handshake may win against the cancellation; then the request went out
	// and its answer counts. What may not happen is a loss.
	out := p.Refresh(ctx, Request{RefreshToken: secret.New(canary)})
	s.Close()
	if (out.Class != NotSent || *posts != 0) && (out.Class != OK || *posts != 1) {
		t.Fatalf("%s after %d requests: %v", out.Class, *posts, out.Err)
	}
}

func TestCancelDuringTheHandshakeEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	s, posts := tlsServer(t, func() { cancel(); <-release })
	p := open(t, profileAt(t, s.URL), Options{RootCAs: roots(s)})
	p.transport.patience = 0 // nothing but the cancellation ends it
	out := p.Refresh(ctx, Request{RefreshToken: secret.New(canary)})
	close(release)
	s.Close()
	if out.Class != NotSent || *posts != 0 {
		t.Fatalf("%s after %d requests: %v", out.Class, *posts, out.Err)
	}
}

// A server that accepts and says nothing costs the handshake's patience, not the
// attempt's deadline, and has seen nothing.
func TestAHandshakeIsNotWaitedForLong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := open(t, profileAt(t, "https://"+l.Addr().String()), Options{})
	p.transport.patience = time.Millisecond
	done := make(chan Outcome, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		done <- p.Refresh(ctx, Request{RefreshToken: secret.New(canary), Deadline: time.Now().Add(time.Hour)})
	}()
	select {
	case out := <-done:
		if out.Class != NotSent {
			t.Errorf("%s: %v", out.Class, out.Err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the handshake has no end")
		cancel()
		<-done
	}
}

func TestAConnectionEndsWithItsAnswer(t *testing.T) {
	ended := make(chan error, 1)
	s := serveRaw(t, func(c net.Conn) {
		say(whole(200, "application/json", goodBody))(c)
		_, err := c.Read(make([]byte, 1)) // we keep it open
		ended <- err
	})
	if out := refresh(t, open(t, profileAt(t, s.url()), Options{})); out.Class != OK {
		t.Fatal(out.Err)
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the server reads %v", err)
	}
}

// Shutdown and lock loss end contexts; neither may turn a sent request into a
// lost answer.
func TestCancelAfterTheRequestIsIgnored(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		fmt.Fprint(w, goodBody)
	})
	p := open(t, profileAt(t, s.URL), Options{})
	if out := p.Refresh(ctx, Request{RefreshToken: secret.New(canary)}); out.Class != OK {
		t.Fatalf("%s: %v", out.Class, out.Err)
	}
}

// The deadline's end is played by a context, so that no test waits for a timer.
func TestHangIsAmbiguousAndPresentsOnce(t *testing.T) {
	for name, begin := range map[string]string{"before the answer": "", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			over := make(chan struct{})
			s := serveRaw(t, func(c net.Conn) {
				say(begin)(c)
				cancel()
				<-over
			})
			p := open(t, profileAt(t, s.url()), Options{})
			now := time.Now()
			a := &attempt{ctx: ctx, clock: time.Now, deadline: now.Add(time.Hour)}
			out := p.attempt(a, p.refreshing(Request{RefreshToken: secret.New(canary)}), now)
			close(over)
			if out.Class != Ambiguous || out.Reach < ReachWrote {
				t.Errorf("%s at %s: %v", out.Class, out.Reach, out.Err)
			}
			if s.conns.Load() != 1 || s.posts.Load() != 1 {
				t.Errorf("%d connections and %d requests", s.conns.Load(), s.posts.Load())
			}
		})
	}
}

func TestNobodyListensIsNotSent(t *testing.T) {
	s := serveRaw(t, func(net.Conn) {})
	url := s.url()
	_ = s.listener.Close()
	if out := refresh(t, open(t, profileAt(t, url), Options{})); out.Class != NotSent || out.Reach != ReachNone {
		t.Fatalf("%s at %s: %v", out.Class, out.Reach, out.Err)
	}
}

func TestUntrustedCertificateIsNotSent(t *testing.T) {
	s, posts := tlsServer(t, func() {})
	out := refresh(t, open(t, profileAt(t, s.URL), Options{}))
	s.Close()
	if out.Class != NotSent || *posts != 0 {
		t.Fatalf("%s after %d requests: %v", out.Class, *posts, out.Err)
	}
}
