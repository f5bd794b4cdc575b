package providertest

import (
	"net/http"
	"time"
)

// serveToken is the token endpoint: arrival on disk, then the fault before, then
// the decision, then its outcome on disk, then the fault after, then the answer.
func (s *Server) serveToken(p *provider, w http.ResponseWriter, r *http.Request) {
	req := p.readTokenRequest(w, r)
	fault := p.script.take(TokenEndpoint, req.family())
	seen := req.presentation(s, p, fault)
	s.must(s.journal.arrival(seen))
	if fault.strikes(Before) {
		s.hold(fault, *seen)
		if fault.Kind != Delay {
			s.settle(seen, Unprocessed)
			s.strike(w, r, fault, reply{})
			return
		}
	}
	outcome, answer := s.answer(p, req)
	s.settle(seen, outcome)
	s.wait(p.behaviour.Delay)
	if fault.strikes(After) {
		s.hold(fault, *seen)
		s.strike(w, r, fault, answer)
		return
	}
	answer.send(w)
}

// answer decides about the request and phrases the decision.
func (s *Server) answer(p *provider, req tokenRequest) (Outcome, reply) {
	switch {
	case req.problem != "":
		return Malformed, oauthError(http.StatusBadRequest, "invalid_request", req.problem)
	case !req.client:
		return Client, p.unknownClient()
	case req.kind == KindOther:
		return Refused, oauthError(http.StatusBadRequest, "unsupported_grant_type", "")
	case req.known == nil:
		return Refused, p.deadToken()
	}
	now, f := s.cfg.Clock(), req.known.of
	outcome, pair, err := f.present(now, req.known, req.proof)
	s.must(err)
	if pair == nil {
		return outcome, p.deadToken()
	}
	if req.kind == KindCode {
		f.takeOver()
	}
	return outcome, f.grantReply(now, req, pair)
}

// settle puts the outcome on disk and into the log.
func (s *Server) settle(seen *Presentation, outcome Outcome) {
	s.must(s.journal.outcome(seen, outcome))
	s.cfg.Log.Debug("presentation", "n", seen.N, "provider", seen.Provider, "family", seen.Family,
		"serial", seen.Serial, "kind", seen.Kind, "outcome", string(outcome), "fault", seen.Fault)
}

// must ends the request without an answer: a server that cannot write its
// ledger, or sign, may not act.
func (s *Server) must(err error) {
	if err == nil {
		return
	}
	s.cfg.Log.Error("simulator cannot go on with a request; see that its directory is writable", "err", err)
	panic(http.ErrAbortHandler)
}

// hold reports that the fault is reached, and keeps the request as long as it says.
func (s *Server) hold(f *Fault, seen Presentation) {
	if f.Arrived != nil {
		select {
		case f.Arrived <- seen:
		case <-s.closing:
		}
	}
	if f.Hold != nil && f.Kind != Hang {
		select {
		case <-f.Hold:
		case <-s.closing:
		}
	}
	s.wait(f.Delay)
}

// wait is cut short when the server closes.
func (s *Server) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closing:
	}
}
