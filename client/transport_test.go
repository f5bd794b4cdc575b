package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
)

// shop is an API that takes the current bearer of the first link.
type shop struct {
	*httptest.Server
	workers *workers
	// challenge is the WWW-Authenticate of a refusal, status its code.
	challenge string
	status    int
	// refuseAll refuses whatever comes; dead, what is not of a later generation.
	refuseAll atomic.Bool
	dead      atomic.Uint64
	// gate, if set, holds refusals until it is closed.
	gate  chan struct{}
	calls atomic.Int64

	mu     sync.Mutex
	bodies []string
}

func newShop(t testing.TB, w *workers) *shop {
	s := &shop{workers: w, status: http.StatusUnauthorized, challenge: `Bearer realm="shop", error="invalid_token"`}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) serve(out http.ResponseWriter, in *http.Request) {
	s.calls.Add(1)
	body, _ := io.ReadAll(in.Body)
	s.mu.Lock()
	s.bodies = append(s.bodies, string(body))
	s.mu.Unlock()
	s.workers.mu.Lock()
	generation := s.workers.links[first].generation
	s.workers.mu.Unlock()
	good := in.Header.Get("Authorization") == "Bearer "+bearer(first, generation)
	if good && generation > s.dead.Load() && !s.refuseAll.Load() {
		_, _ = io.WriteString(out, "served")
		return
	}
	if s.gate != nil {
		<-s.gate
	}
	if s.challenge != "" {
		out.Header().Set("WWW-Authenticate", s.challenge)
	}
	out.WriteHeader(s.status)
	_, _ = io.WriteString(out, "refused")
}

func get(t testing.TB, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t), http.MethodGet, url, nil)
	must(t, err)
	resp, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	if resp.Request.Header.Get("Authorization") != "" {
		t.Error("the response gives the bearer away")
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// kill has the API take the current bearer no more.
func (s *shop) kill() {
	s.workers.mu.Lock()
	defer s.workers.mu.Unlock()
	s.dead.Store(s.workers.links[first].generation)
}

func TestR28DeadTokenIsReportedAwaitedAndReplaced(t *testing.T) {
	w := cell(t)
	s := newShop(t, w)
	hc := w.service(nil).Link("op", "L1").Client()
	if status, body := get(t, hc, s.URL); status != 200 || body != "served" {
		t.Fatal(status, body)
	}
	s.kill()
	if status, body := get(t, hc, s.URL); status != 200 || body != "served" {
		t.Fatal(status, body)
	}
	reports := w.awaitReports(1)
	if len(reports) != 1 || s.calls.Load() != 3 {
		t.Fatalf("%d reports, %d calls", len(reports), s.calls.Load())
	}
	want := events.TokenExpired{Address: first, Generation: 1, Reason: events.ReasonUnauthorized, Status: 401, Error: "invalid_token"}
	if reports[0] != want {
		t.Errorf("reported %+v", reports[0])
	}
}

// Fifty goroutines see one dead token: one report on the wire, and each request is
// sent twice at most.
func TestAStormIsOneReportAndOneRetryEach(t *testing.T) {
	w := cell(t)
	w.manual = true
	s := newShop(t, w)
	hc := w.service(nil).Link("op", "L1").Client()
	get(t, hc, s.URL)
	asked := w.questions()
	s.kill()
	s.gate = make(chan struct{})

	const many = 50
	var done sync.WaitGroup
	for range many {
		done.Go(func() {
			if status, _ := get(t, hc, s.URL); status != 200 {
				t.Errorf("ended with %d", status)
			}
		})
	}
	waitFor(t, "every first request", func() bool { return s.calls.Load() == 1+many })
	close(s.gate)
	w.awaitReports(1)
	w.rotate(first, false)
	done.Wait()
	if n := len(w.reported()); n != 1 {
		t.Errorf("%d reports", n)
	}
	if n := s.calls.Load(); n != 1+2*many {
		t.Errorf("%d calls for %d requests", n-1, many)
	}
	if n := w.questions() - asked; n != 1 {
		t.Errorf("%d questions for one generation", n)
	}
}

func TestWhatA401Means(t *testing.T) {
	for name, c := range map[string]struct {
		challenge string
		status    int
		dead      bool
	}{
		"no header":              {"", 401, true},
		"no error":               {`Bearer realm="x"`, 401, true},
		"another scheme":         {`Basic realm="x, error=insufficient_scope"`, 401, true},
		"dead, in a list":        {`Basic realm="x", bearer error=invalid_token`, 401, true},
		"scope":                  {`Bearer error="insufficient_scope", scope="a b"`, 401, false},
		"step up":                {`DPoP algs="ES256", Bearer realm="x", error="insufficient_user_authentication"`, 401, false},
		"forbidden":              {`Bearer error="invalid_token"`, 403, false},
		"someone else's trouble": {"", 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := cell(t)
			s := newShop(t, w)
			s.challenge, s.status = c.challenge, c.status
			hc := w.service(nil).Link("op", "L1").Client()
			get(t, hc, s.URL)
			s.kill()
			status, body := get(t, hc, s.URL)
			if c.dead {
				if status != 200 || len(w.reported()) != 1 {
					t.Errorf("%d after %d reports", status, len(w.reported()))
				}
				return
			}
			if status != c.status || body != "refused" || s.calls.Load() != 2 {
				t.Errorf("%d %q after %d calls", status, body, s.calls.Load())
			}
			w.settled()
			if n := len(w.reported()); n != 0 {
				t.Errorf("%d reports", n)
			}
		})
	}
}

func TestABodyIsSentAgainOrNotAtAll(t *testing.T) {
	w := cell(t)
	s := newShop(t, w)
	hc := w.service(nil).Link("op", "L1").Client()
	get(t, hc, s.URL)

	s.kill()
	resp, err := hc.Post(s.URL, "text/plain", strings.NewReader("order 7")) // has a GetBody
	must(t, err)
	resp.Body.Close()
	if got := s.bodies[1:]; resp.StatusCode != 200 || len(got) != 2 || got[0] != "order 7" || got[1] != "order 7" {
		t.Fatalf("%d after %q", resp.StatusCode, got)
	}

	s.refuseAll.Store(true)
	once := io.NopCloser(io.MultiReader(strings.NewReader("order 8")))
	req, err := http.NewRequestWithContext(within(t), http.MethodPost, s.URL, once)
	must(t, err)
	resp, err = hc.Do(req)
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 401 || string(body) != "refused" || err != nil || len(s.bodies) != 4 {
		t.Errorf("%d %q %v after %d calls", resp.StatusCode, body, err, len(s.bodies))
	}
	if reports := w.awaitReports(2); reports[1].Generation != 2 {
		t.Errorf("reported generation %d", reports[1].Generation)
	}
}

// A token that is refused at once is reported, and the request not sent a third time.
func TestASecondRefusalIsTheAnswer(t *testing.T) {
	w := cell(t)
	s := newShop(t, w)
	s.refuseAll.Store(true)
	if status, body := get(t, w.service(nil).Link("op", "L1").Client(), s.URL); status != 401 || body != "refused" {
		t.Fatal(status, body)
	}
	reports := w.awaitReports(2)
	if s.calls.Load() != 2 || reports[0].Generation != 1 || reports[1].Generation != 2 {
		t.Errorf("%d calls, reported %+v", s.calls.Load(), reports)
	}
}

func TestTheCallersContextEndsTheWait(t *testing.T) {
	w := cell(t)
	w.manual = true
	s := newShop(t, w)
	hc := w.service(nil).Link("op", "L1").Client()
	get(t, hc, s.URL)
	s.refuseAll.Store(true)
	ctx, cancel := context.WithCancel(within(t))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	must(t, err)
	ended := make(chan error, 1)
	go func() {
		resp, err := hc.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	w.awaitReports(1)
	cancel()
	if err := next(t, "the end of the request", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	// What it began goes on for others.
	s.refuseAll.Store(false)
	w.rotate(first, false)
	if status, _ := get(t, hc, s.URL); status != 200 || len(w.reported()) != 1 {
		t.Errorf("%d after %d reports", status, len(w.reported()))
	}
}

func TestNoTokenInTimeLeavesThe401(t *testing.T) {
	w := cell(t)
	w.manual = true
	s := newShop(t, w)
	hc := w.service(func(c *client.Config) { c.Wait = 300e6 }).Link("op", "L1").Client()
	waitFor(t, "a first answer within a short wait", func() bool { status, _ := get(t, hc, s.URL); return status == 200 })
	s.refuseAll.Store(true)
	if status, body := get(t, hc, s.URL); status != 401 || body != "refused" {
		t.Errorf("%d %q", status, body)
	}
}

// There will be no token: the error says why, through http.Client.
func TestTheGrantIsDead(t *testing.T) {
	w := cell(t)
	w.manual = true
	s := newShop(t, w)
	hc := w.service(nil).Link("op", "L1").Client()
	get(t, hc, s.URL)
	s.refuseAll.Store(true)
	w.set(first, func(r *record) {
		r.refusal = api.Refuse(api.ConsentRequired, "the grant is dead")
		r.refusal.Nickname = "Main bank"
	})
	_, err := hc.Get(s.URL)
	why := (*client.Error)(nil)
	if !errors.Is(err, client.ErrConsentRequired) || !errors.As(err, &why) || why.Nickname != "Main bank" || why.Address != first {
		t.Errorf("ended with %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "bearer-") {
		t.Errorf("the error gives the bearer away: %v", err)
	}
}

// A bearer must not follow a redirect to where its caller did not send it.
func TestARedirectElsewhereGoesWithoutTheBearer(t *testing.T) {
	w := cell(t)
	s := newShop(t, w)
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		got = append(got, in.Header.Get("Authorization"))
		http.Redirect(out, in, s.URL+"/again", http.StatusFound) // back again: a detour is no reason either
	}))
	defer elsewhere.Close()
	away := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Header.Get("Authorization") == "" {
			t.Error("no bearer where the caller sent it")
		}
		if in.URL.Path == "/same" {
			http.Redirect(out, in, "/other", http.StatusFound)
			return
		}
		http.Redirect(out, in, elsewhere.URL, http.StatusFound)
	}))
	defer away.Close()
	status, _ := get(t, w.service(nil).Link("op", "L1").Client(), away.URL+"/same")
	if len(got) != 1 || got[0] != "" {
		t.Errorf("the other host got %q", got)
	}
	if status != 401 || len(w.reported()) != 0 {
		t.Errorf("%d after %d reports", status, len(w.reported()))
	}
}

// A refused response is read and closed before the request goes out again.
func TestTheRefusedResponseIsClosedBeforeTheRetry(t *testing.T) {
	w := cell(t)
	base := &script{closed: make(chan struct{})}
	hc := &http.Client{Transport: w.service(nil).Link("op", "L1").Transport(base)}
	resp, err := hc.Get("http://api.invalid/")
	must(t, err)
	if resp.StatusCode != 200 || base.calls != 2 {
		t.Errorf("%d after %d calls", resp.StatusCode, base.calls)
	}
}

// script refuses first, and looks whether that response was closed.
type script struct {
	calls  int
	closed chan struct{}
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.calls++; s.calls == 1 {
		return &http.Response{StatusCode: 401, Header: http.Header{}, Body: s, Request: r}, nil
	}
	select {
	case <-s.closed:
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	default:
		return nil, errors.New("the first response is still open")
	}
}

func (s *script) Read([]byte) (int, error) { return 0, io.EOF }
func (s *script) Close() error             { close(s.closed); return nil }

// A transport closes the body of a request that it does not send.
func TestTheBodyIsClosedWithoutAToken(t *testing.T) {
	w := cell(t)
	base := &script{closed: make(chan struct{})}
	req, err := http.NewRequest(http.MethodPost, "http://api.invalid/", base)
	must(t, err)
	_, err = w.service(nil).Link("op", "nowhere").Transport(nil).RoundTrip(req)
	if !errors.Is(err, client.ErrNotFound) {
		t.Errorf("ended with %v", err)
	}
	select {
	case <-base.closed:
	default:
		t.Error("the body was left open")
	}
}
