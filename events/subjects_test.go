package events_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
)

var l1 = events.Address{Tenant: "t", Provider: "p", Link: "L1"}

func TestSubjects(t *testing.T) {
	var s events.Subjects
	for got, want := range map[string]string{
		s.In(l1, events.NameTokenExpired):                "regrant.in.t.p.L1.token-expired",
		s.Out(l1, events.NameTokenRotated):               "regrant.out.t.p.L1.token-rotated",
		s.Live(l1, events.NameTokenRotated):              "regrant.live.t.p.L1.token-rotated",
		s.Timer(l1):                                      "regrant.timer.t.p.L1",
		s.Due(l1):                                        "regrant.due.t.p.L1",
		s.Dead(l1, events.NameTokenExpired):              "regrant.dead.in.t.p.L1.token-expired",
		s.DeadOf("regrant.in.odd"):                       "regrant.dead.in.odd",
		s.DeadOf("elsewhere.x"):                          "regrant.dead.elsewhere.x",
		s.Credentials(l1):                                "regrant.credentials.t.p.L1",
		s.CredentialsFilter(events.Address{Tenant: "t"}): "regrant.credentials.t.*.*",
		s.API("t", "consent-begin"):                      "regrant.api.t.consent-begin",
		s.APIAll("list"):                                 "regrant.api.*.list",
		s.APILink(l1, "token"):                           "regrant.api.t.p.L1.token",
		s.APILinkAll("token"):                            "regrant.api.*.*.*.token",
		s.InFilter("p"):                                  "regrant.in.*.p.>",
		s.DueFilter("p"):                                 "regrant.due.*.p.*",
		s.OutOf(l1):                                      "regrant.out.t.p.L1.*",
		s.OutFilter(events.Address{Provider: "p"}, ""):   "regrant.out.*.p.*.*",
		s.LiveFilter(l1, events.NameTokenRotated):        "regrant.live.t.p.L1.token-rotated",
		s.InAll():    "regrant.in.>",
		s.OutAll():   "regrant.out.>",
		s.LiveAll():  "regrant.live.>",
		s.TimerAll(): "regrant.timer.>",
		s.DueAll():   "regrant.due.>",
		s.DeadAll():  "regrant.dead.>",
		events.Subjects{Prefix: "eu.cell-2"}.Due(l1): "eu.cell-2.due.t.p.L1",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestParsingInvertsBuilding(t *testing.T) {
	for _, prefix := range []string{"", "cell", "eu.cell-2"} {
		s := events.Subjects{Prefix: prefix}
		for _, n := range events.Names() {
			parse, subject := s.ParseOut, s.Out(l1, n)
			if n.Input() {
				parse, subject = s.ParseIn, s.In(l1, n)
			} else if a, got, err := s.ParseLive(s.Live(l1, n)); a != l1 || got != n || err != nil {
				t.Errorf("live %s: %v %v %v", n, a, got, err)
			}
			if a, got, err := parse(subject); a != l1 || got != n || err != nil {
				t.Errorf("%s: %v %v %v", subject, a, got, err)
			}
			if dead, err := s.ParseDead(s.DeadOf(subject)); dead != subject || err != nil {
				t.Errorf("dead %s: %v %v", subject, dead, err)
			}
		}
		if a, err := s.ParseDue(s.Due(l1)); a != l1 || err != nil {
			t.Errorf("due: %v %v", a, err)
		}
		if tenant, verb, err := s.ParseAPI(s.API("t", "consent-begin")); tenant != "t" || verb != "consent-begin" || err != nil {
			t.Errorf("api: %v %v %v", tenant, verb, err)
		}
		if a, verb, err := s.ParseAPILink(s.APILink(l1, "token")); a != l1 || verb != "token" || err != nil {
			t.Errorf("api of a link: %v %v %v", a, verb, err)
		}
		if a, err := s.ParseCredentials(s.Credentials(l1)); a != l1 || err != nil {
			t.Errorf("credentials: %v %v", a, err)
		}
		if a, err := s.ParseTimer(s.Timer(l1)); a != l1 || err != nil {
			t.Errorf("timer: %v %v", a, err)
		}
	}
}

func TestParseInRefuses(t *testing.T) {
	var s events.Subjects
	for _, subject := range []string{
		"", "regrant", "regrant.in", "regrant.in.", "regrant.in.t.p.L1", "regrant.in.t.p.token-expired",
		"regrant.in.t.p.L1.x.token-expired", "regrant.in..p.L1.token-expired", "regrant.in.*.p.L1.token-expired",
		"regrant.in.T.p.L1.token-expired", "regrant.in.t.p.L 1.token-expired", "regrant.in.t.p.é.token-expired",
		"regrant.out.t.p.L1.token-expired", "regrantx.in.t.p.L1.token-expired", "in.t.p.L1.token-expired",
		"regrant.in." + strings.Repeat("t", 33) + ".p.L1.token-expired",
		"regrant.in.t.p." + strings.Repeat("L", 65) + ".token-expired",
	} {
		if _, _, err := s.ParseIn(subject); !isInvalid(err, "subject", events.FaultMalformed) {
			t.Errorf("%q: %v", subject, err)
		}
	}
	for _, subject := range []string{"regrant.in.t.p.L1.token-rotated", "regrant.in.t.p.L1.nonsense", "regrant.in.t.p.L1."} {
		if _, _, err := s.ParseIn(subject); !isInvalid(err, "subject", events.FaultUnknownType) {
			t.Errorf("%q: %v", subject, err)
		}
	}
	for _, subject := range []string{"", "regrant.api", "regrant.api.t", "regrant.api..list", "regrant.api.t.", "regrant.api.*.list", "regrant.api.t.list.x", "regrant.in.t.list"} {
		if _, _, err := s.ParseAPILink(subject); !isInvalid(err, "subject", events.FaultMalformed) {
			t.Errorf("%s: %v, want it refused as a link's", subject, err)
		}
		if _, _, err := s.ParseAPI(subject); !isInvalid(err, "subject", events.FaultMalformed) {
			t.Errorf("%q: %v", subject, err)
		}
	}
	for _, subject := range []string{"regrant.api.t.p.L1.", "regrant.api.t.p.*.token", "regrant.api.t.p.L1.token.x", "regrant.api.*.p.L1.token", "regrant.api.t.p.token", "regrant.in.t.p.L1.token", "regrant.api.t.p.L1.a b"} {
		if _, _, err := s.ParseAPILink(subject); !isInvalid(err, "subject", events.FaultMalformed) {
			t.Errorf("%q: %v", subject, err)
		}
	}
	if _, err := s.ParseDead("regrant.dead."); err == nil {
		t.Error("an empty dead subject was parsed")
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	s := events.Subjects{Prefix: "eu.cell-2"}
	in, due := s.In(bank, events.NameTokenExpired), s.Due(bank)
	if n := testing.AllocsPerRun(100, func() {
		_, _, _ = s.ParseIn(in)
		_, _ = s.ParseDue(due)
		_, _, _ = s.ParseIn(due)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTypesAndNames(t *testing.T) {
	for _, n := range events.Names() {
		if got, err := events.ParseType(n.Type()); got != n || err != nil {
			t.Errorf("%s: %v %v", n.Type(), got, err)
		}
	}
	for _, bad := range []string{"", "dev.regrant.token-expired", "token-expired.v1", "dev.regrant..v1", "dev.regrant.TOKEN-EXPIRED.v1"} {
		if _, err := events.ParseType(bad); !isInvalid(err, "type", events.FaultUnknownType) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got := events.NameTokenExpired.Type(); got != "dev.regrant.token-expired.v1" {
		t.Error(got)
	}
}

func TestCodesDoNotPrint(t *testing.T) {
	d := events.ReconsentCompleted{Address: bank, State: "s", Code: canary}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "code", d.Code)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "data", d)
	all := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d", d, d, d, d.Code, d.Code, d.Code, d.Code)
	if strings.Contains(all, canary) || strings.Contains(all, fmt.Sprintf("%x", canary)) {
		t.Error(all)
	}
	if !strings.Contains(string(encode(t, d)), canary) {
		t.Error("the code is missing from its own event")
	}
}
