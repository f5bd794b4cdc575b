package events_test

import (
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
)

func TestCheckRefuses(t *testing.T) {
	data := func(members string) map[string]string {
		return map[string]string{"data": "{" + members + "}"}
	}
	const who = `"tenant":"default","provider":"op","link":"L1",`
	for name, c := range map[string]struct {
		members       map[string]string
		field, reason string
	}{
		"foreign type":       {map[string]string{"type": `"com.example.` + canary + `"`}, "type", "unknown_type"},
		"other type":         {map[string]string{"type": `"dev.regrant.logout-requested.v1"`}, "type", "wrong_type"},
		"other version":      {map[string]string{"type": `"dev.regrant.token-expired.v2"`}, "type", "unknown_type"},
		"other subject":      {map[string]string{"subject": `"` + canary + `"`}, "subject", "wrong_subject"},
		"no subject":         {map[string]string{"subject": ""}, "subject", "wrong_subject"},
		"no data":            {map[string]string{"data": ""}, "data", "undecodable"},
		"null data":          {map[string]string{"data": "null"}, "data", "schema"},
		"list data":          {map[string]string{"data": "[1]"}, "data", "schema"},
		"other tenant":       {data(`"tenant":"cnry","provider":"op","link":"L1","generation":1,"reason":"expired"`), "data.tenant", "wrong_subject"},
		"other provider":     {data(`"tenant":"default","provider":"cnry","link":"L1","generation":1,"reason":"expired"`), "data.provider", "wrong_subject"},
		"other link":         {data(`"tenant":"default","provider":"op","link":"L2","generation":1,"reason":"expired"`), "data.link", "wrong_subject"},
		"bad link":           {data(`"tenant":"default","provider":"op","link":"a.*","generation":1,"reason":"expired"`), "data.link", "schema"},
		"no tenant":          {data(`"provider":"op","link":"L1","generation":1,"reason":"expired"`), "data.tenant", "missing"},
		"no reason":          {data(who + `"generation":1`), "data.reason", "missing"},
		"unknown reason":     {data(who + `"generation":1,"reason":"` + canary + `"`), "data.reason", "schema"},
		"neither name":       {data(who + `"reason":"expired"`), "data", "schema"},
		"generation 0":       {data(who + `"generation":0,"reason":"expired"`), "data.generation", "schema"},
		"generation 2^53":    {data(who + `"generation":9007199254740992,"reason":"expired"`), "data.generation", "schema"},
		"generation a text":  {data(who + `"generation":"` + canary + `","reason":"expired"`), "data.generation", "schema"},
		"fingerprint long":   {data(who + `"fingerprint":"` + strings.Repeat("A", 23) + `","reason":"expired"`), "data.fingerprint", "schema"},
		"a whole token":      {data(who + `"fingerprint":"eyJhbGciOi.` + canary + `","reason":"expired"`), "data.fingerprint", "schema"},
		"unknown field":      {data(who + `"generation":1,"reason":"expired","` + canary + `":1`), "data", "unknown_field"},
		"status 99":          {data(who + `"generation":1,"reason":"expired","status":99`), "data.status", "schema"},
		"error with a space": {data(who + `"generation":1,"reason":"expired","error":"token ` + canary + `"`), "data.error", "schema"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := events.Decode(nil, envelope(c.members))
			if err != nil {
				t.Fatal(err)
			}
			err = events.Check(e, events.Address{Tenant: "default", Provider: "op", Link: "L1"}, events.NameTokenExpired)
			if !isInvalid(err, c.field, c.reason) {
				t.Fatalf("got %v, want %s in %s", err, c.reason, c.field)
			}
			if strings.Contains(err.Error(), "cnry") {
				t.Errorf("the error repeats the payload: %v", err)
			}
		})
	}
}

// A schema cannot tell 1.0 from 1; Go's integers can.
func TestAsRefusesWhatGoCannotHold(t *testing.T) {
	e, err := events.Decode(nil, envelope(map[string]string{
		"data": `{"tenant":"default","provider":"op","link":"L1","generation":1.0,"reason":"expired"}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.As[events.TokenExpired](e); !isInvalid(err, "data.generation", "malformed") {
		t.Errorf("got %v", err)
	}
}

func TestNewInputRefusesWhatAWorkerWould(t *testing.T) {
	for name, c := range map[string]struct {
		source, id    string
		data          events.Data
		field, reason string
	}{
		"no generation": {"s", "1", events.TokenExpired{Address: bank, Reason: events.ReasonExpired}, "data", "schema"},
		"no reason":     {"s", "1", events.TokenExpired{Address: bank, Generation: 1}, "data.reason", "schema"},
		"bad address":   {"s", "1", events.TokenExpired{Address: events.Address{Tenant: "*"}}, "tenant", "malformed"},
		"no id":         {"s", "", samples()["token-expired"], "id", "malformed"},
		"no source":     {"", "1", samples()["token-expired"], "source", "malformed"},
		"both ways": {"s", "1", events.ReconsentCompleted{Address: bank, State: "s", Code: canary, Staging: "x"},
			"data", "schema"},
		"no code": {"s", "1", events.ReconsentCompleted{Address: bank, State: "s"}, "data", "schema"},
		"code and error": {"s", "1", events.ReconsentCompleted{Address: bank, State: "s", Code: canary, Error: "access_denied"},
			"data", "schema"},
		"state and staging": {"s", "1", events.ReconsentCompleted{Address: bank, State: "s", Staging: "x"}, "data", "schema"},
		"code and staging":  {"s", "1", events.ReconsentCompleted{Address: bank, Code: canary, Staging: "x"}, "data", "schema"},
		"error, no state":   {"s", "1", events.ReconsentCompleted{Address: bank, Error: "access_denied"}, "data", "schema"},
		"nothing":           {"s", "1", events.ReconsentCompleted{Address: bank, Iss: "https://op.example.com"}, "data", "schema"},
		"an error's description": {"s", "1", events.ReconsentCompleted{Address: bank, State: "s", Error: "the user said no"},
			"data.error", "schema"},
		"no decision": {"s", "1", events.LinkReplacementDecided{Address: bank, Consent: 1}, "data.decision", "schema"},
	} {
		_, err := events.NewInput(c.source, c.id, at, events.Trace{}, c.data)
		if !isInvalid(err, c.field, c.reason) {
			t.Errorf("%s: got %v, want %s in %s", name, err, c.reason, c.field)
		}
	}
}
