package providertest

import (
	"net/http"
	"time"

	"github.com/regrant/regrant/secret"
)

// serveToken is the token endpoint: arrival on disk, then the fault before, then
// the decision, then its outcome on disk, then the fault after, then the answer.
func (s *Server) serveToken(p *provider, w http.ResponseWriter, r *http.Request) {
	req := p.readTokenRequest(w, r)
	fault := p.script.take(TokenEndpoint, req.family())
	seen := req.presentation(s, p, r.Host, fault)
	s.must(s.record.arrival(seen))
	if fault.strikes(Before) {
		s.hold(fault, *seen)
		if fault.Kind != Delay {
			s.settle(seen, Unprocessed)
			s.strike(w, r, fault, reply{})
			return
		}
	}
	decided := s.decide(p, req)
	decided.tell(seen)
	s.settle(seen, decided.outcome)
	s.wait(p.behaviour.Delay)
	if fault.strikes(After) {
		s.hold(fault, *seen)
		s.strike(w, r, fault, decided.answer)
		return
	}
	decided.answer.send(w)
}

// decision is what becomes of a token request.
type decision struct {
	outcome Outcome
	answer  reply
	issued  *pair   // what the answer carries; nil: nothing
	began   *family // by a credential that is of no family itself
}

// tell enters what was issued.
func (d decision) tell(seen *Presentation) {
	if d.began != nil {
		seen.Family = d.began.id
	}
	if d.issued == nil {
		return
	}
	seen.Bearer = secret.New(d.issued.held.text).Fingerprint()
	if d.answer.body["refresh_token"] != nil {
		seen.Issued = secret.New(d.issued.refresh.text).Fingerprint()
	}
}

// decide carries the decision out and phrases it as this provider does.
func (s *Server) decide(p *provider, req tokenRequest) decision {
	if rest := p.limiter.wait(s.cfg.Clock()); rest > 0 {
		return decision{outcome: Throttled, answer: tooMany(rest)}
	}
	decided := s.judge(p, req)
	decided.answer = p.phrase(decided.answer)
	return decided
}

func (s *Server) judge(p *provider, req tokenRequest) decision {
	switch {
	case req.problem != "":
		return decision{outcome: Malformed, answer: oauthError(http.StatusBadRequest, "invalid_request", req.problem)}
	case !req.client:
		return decision{outcome: Client, answer: p.unknownClient()}
	case req.kind == KindOther:
		return decision{outcome: Refused, answer: oauthError(http.StatusBadRequest, "unsupported_grant_type", "")}
	case begins(req.kind):
		return s.logIn(p, req)
	case req.known == nil:
		return decision{outcome: Refused, answer: p.deadToken(p.behaviour.DeadDescription)}
	}
	return s.present(p, req)
}

// present is for what this provider issued.
func (s *Server) present(p *provider, req tokenRequest) decision {
	now, f := s.cfg.Clock(), req.known.of
	outcome, pair, err := f.present(now, req.known, req.proof)
	s.must(err)
	if pair == nil {
		return decision{outcome: outcome, answer: p.deadToken(f.whyDead(now, req.known))}
	}
	if req.kind == KindCode {
		f.takeOver(now)
	}
	return decision{outcome: outcome, answer: f.grantReply(now, req, pair), issued: pair}
}

// settle puts the outcome on disk and into the log.
func (s *Server) settle(seen *Presentation, outcome Outcome) {
	seen.Settled = s.cfg.Clock()
	s.must(s.record.outcome(seen, outcome))
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
