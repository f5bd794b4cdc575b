package judge

import (
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alpha = events.Address{Tenant: "default", Provider: "op", Link: "A"}
	beta  = events.Address{Tenant: "default", Provider: "op", Link: "B"}
)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// token names the serial-th refresh token of a family, bearer what came with it.
func token(family string, serial int) string  { return fmt.Sprintf("rt-%s-%d", family, serial) }
func bearer(family string, serial int) string { return fmt.Sprintf("at-%s-%d", family, serial) }

// refresh is a presentation of a family's serial-th refresh token that brings the next.
func refresh(n int, family string, serial int, seconds float64) Presentation {
	return Presentation{
		N: n, At: at(seconds), Settled: at(seconds + 0.01), Provider: "op", Family: family, Serial: serial, Kind: providertest.KindRefresh,
		Token: token(family, serial), Outcome: providertest.OK, Issued: token(family, serial+1), Bearer: bearer(family, serial+1), Host: "127.0.0.1:7001",
	}
}

func output(a events.Address, number uint64, name events.Name, generation uint64, cause events.Cause, seconds float64) Output {
	return Output{
		Address: a, Name: name, ID: fmt.Sprintf("%s-%d", a.Link, number), Number: number, Generation: generation, Previous: generation - 1,
		Consent: 1, Cause: cause, StoredAt: at(seconds),
	}
}

func report(a events.Address, sequence, generation uint64, seconds float64) Input {
	return Input{Address: a, Name: events.NameTokenExpired, Sequence: sequence, StoredAt: at(seconds), Generation: generation, Reason: events.ReasonUnauthorized}
}

// good is a history in which nothing is wrong: A was refreshed twice, B logged out,
// and a code was exchanged for A in between.
func good() *History {
	return &History{
		Sources: Sources{
			Rules: map[string]Rule{"op": Forbidden}, Workers: map[string]string{"127.0.0.1:7001": "worker-1"},
			Families: map[string]events.Address{"f": alpha, "g": beta}, Begin: at(0), End: at(60),
		},
		Presentations: []Presentation{
			refresh(1, "f", 1, 1),
			{N: 2, At: at(10), Settled: at(10.01), Provider: "op", Family: "h", Kind: providertest.KindCode, Token: "code-h",
				Outcome: providertest.OK, Issued: token("h", 1), Bearer: bearer("h", 1), Host: "127.0.0.1:7001"},
			refresh(3, "h", 1, 20),
		},
		Records: map[events.Address]Record{
			alpha: {Address: alpha, Status: links.Active, Generation: 4, Consent: 2, Events: 4, Outbox: []uint64{4}, Live: true, Subject: "s1",
				Bearer: bearer("h", 2), Refresh: token("h", 2), Alarm: at(3600), Timer: 7},
			beta: {Address: beta, Status: links.Revoked, Generation: 1, Consent: 1, Events: 2, Subject: "s1", Bearer: bearer("g", 1), Refresh: token("g", 1)},
		},
		Outputs: []Output{
			output(alpha, 1, events.NameLinkCreated, 1, events.CauseImport, 0),
			output(beta, 1, events.NameLinkCreated, 1, events.CauseImport, 0),
			output(alpha, 2, events.NameTokenRotated, 2, events.CauseRefresh, 1.1),
			output(alpha, 3, events.NameTokenRotated, 3, events.CauseReconsent, 10.1),
			output(alpha, 4, events.NameTokenRotated, 4, events.CauseRefresh, 20.1),
			output(beta, 2, events.NameLinkRevoked, 1, "", 30.1),
		},
		Inputs: []Input{
			report(alpha, 1, 1, 0.9), report(alpha, 2, 1, 1.5),
			{Address: alpha, Name: events.NameReconsentCompleted, Sequence: 3, StoredAt: at(9.9), Flow: "flow", Code: "code-h"},
			report(alpha, 4, 3, 19.9),
			{Address: beta, Name: events.NameLogoutRequested, Sequence: 5, StoredAt: at(30)},
			{Sequence: 6, StoredAt: at(31), Broken: true},
		},
		Letters:  map[uint64]string{6: "undecodable"},
		Flows:    map[string]Flow{"flow": {Address: alpha, Final: true, Status: "applied"}},
		Timers:   map[events.Address]uint64{alpha: 7},
		Backlogs: []Backlog{{Consumer: "worker-op"}},
	}
}

// on changes one record.
func (h *History) on(a events.Address, change func(*Record)) {
	r := h.Records[a]
	change(&r)
	h.Records[a] = r
}

// loses makes the answer to A's last refresh disappear.
func (h *History) loses() {
	h.Outputs = append(h.Outputs[:4], h.Outputs[5])
	h.on(alpha, func(r *Record) {
		r.Generation, r.Events, r.Bearer, r.Refresh, r.Outbox = 3, 3, bearer("h", 1), token("h", 1), nil
		r.Status, r.Alarm = links.Uncertain, time.Time{}
	})
}
