package providertest

import (
	"net"
	"net/http"
	"strconv"
)

// strike answers, or does not, as the fault says.
func (s *Server) strike(w http.ResponseWriter, r *http.Request, f *Fault, answer reply) {
	switch f.Kind {
	case Hang:
		s.hang(r, f)
	case CloseNoReply:
		panic(http.ErrAbortHandler)
	case Reset:
		s.reset(w)
	case Status500, Status429, ErrorReply:
		f.errorReply().send(w)
	case Truncate:
		truncate(w, answer)
	case Garbage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><body>Welcome back! Please enable JavaScript.</body></html>"))
	case Redirect:
		s.redirect(w, r, f)
	case OtherSubject, ForeignKey, WrongIssuer, WrongAudience, WrongNonce, NoNonce, ExpiredID,
		AlgNone, PublicKeyHMAC, ManyAccounts, NextPage:
		s.lie(w, f, answer)
	default:
		answer.send(w)
	}
}

// hang keeps the connection open and silent.
func (s *Server) hang(r *http.Request, f *Fault) {
	select {
	case <-r.Context().Done():
	case <-f.Hold: // for ever, if nil
	case <-s.closing:
	}
	panic(http.ErrAbortHandler)
}

// reset closes with RST: linger zero discards what was not sent.
func (s *Server) reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	s.must(err)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// errorReply is for the kinds that answer an error of the server's own.
func (f *Fault) errorReply() reply {
	code := f.Code
	set(&code, "invalid_request")
	a := oauthError(http.StatusBadRequest, code, "")
	switch f.Kind {
	case Status500:
		a = reply{status: http.StatusInternalServerError, body: map[string]any{"message": "internal error"}}
	case Status429:
		a = reply{status: http.StatusTooManyRequests, body: map[string]any{"message": "too many requests"}}
	}
	if f.Status != 0 {
		a.status = f.Status
	}
	if f.RetryAfter != "" {
		a.header = map[string]string{"Retry-After": f.RetryAfter}
	}
	return a
}

// truncate promises the whole answer and breaks off in the middle of it. Before
// consumption there is no answer; the beginning of one will do.
func truncate(w http.ResponseWriter, answer reply) {
	whole := []byte(`{"token_type":"Bearer","access_token":"`)
	if answer.body != nil {
		whole = answer.encode()
	}
	w.Header().Set("Content-Length", strconv.Itoa(2*len(whole)))
	reply{status: http.StatusOK}.sendBytes(w, whole[:len(whole)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func (s *Server) redirect(w http.ResponseWriter, r *http.Request, f *Fault) {
	to := f.Location
	set(&to, s.url+"/"+r.PathValue("provider")+"/redirected")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// lie answers well, but for the lie. An answer that has nothing to lie about, an
// error's, stays as it is.
func (s *Server) lie(w http.ResponseWriter, f *Fault, answer reply) {
	if answer.forged != nil {
		forged, err := answer.forged(f)
		s.must(err)
		forged.cookie = answer.cookie
		answer = forged
	}
	answer.send(w)
}
