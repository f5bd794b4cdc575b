package events_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

func header(m events.Message, name string) string {
	if v := m.Header[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

func input(t *testing.T, source, id string, d events.Data) events.Message {
	t.Helper()
	e, err := events.NewInput(source, id, at, events.Trace{}, d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := events.Subjects{}.InputMessage(e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReportsOfOneExpiryShareTheirMessageID(t *testing.T) {
	d := events.TokenExpired{Address: bank, Generation: 7, Reason: events.ReasonUnauthorized}
	m := input(t, "shop", "1", d)
	if m.Subject != "regrant.in."+bank.Token()+".token-expired" || header(m, "content-type") != events.ContentType ||
		header(m, "Regrant-Generation") != "7" || header(m, "Regrant-Reason") != "unauthorized" {
		t.Errorf("%+v", m)
	}
	d.Status = 401
	if other := input(t, "mail", "2", d); header(other, "Nats-Msg-Id") != header(m, "Nats-Msg-Id") {
		t.Error("another reporter of the same expiry has another message id")
	}
	for name, d := range map[string]events.TokenExpired{
		"generation":  {Address: bank, Generation: 8, Reason: events.ReasonUnauthorized},
		"reason":      {Address: bank, Generation: 7, Reason: events.ReasonExpiring},
		"link":        {Address: twin, Generation: 7, Reason: events.ReasonUnauthorized},
		"fingerprint": {Address: bank, Fingerprint: events.Fingerprint("7"), Reason: events.ReasonUnauthorized},
	} {
		if other := input(t, "shop", "1", d); header(other, "Nats-Msg-Id") == header(m, "Nats-Msg-Id") {
			t.Errorf("another %s has the same message id", name)
		}
	}
}

func TestReportByFingerprintHasNoGenerationHeader(t *testing.T) {
	m := input(t, "shop", "1", samples()["token-expired.fingerprint"])
	if _, ok := events.GenerationOf(m.Header); ok {
		t.Errorf("%v", m.Header)
	}
}

func TestOtherInputsAreNamedBySourceAndID(t *testing.T) {
	d := samples()["logout-requested"]
	if a, b := input(t, "shop", "1", d), input(t, "shop", "1", d); header(a, "Nats-Msg-Id") != header(b, "Nats-Msg-Id") {
		t.Error("the same event has two message ids")
	}
	if a, b := input(t, "shop", "1", d), input(t, "shop", "2", d); header(a, "Nats-Msg-Id") == header(b, "Nats-Msg-Id") {
		t.Error("two events share a message id")
	}
}

func TestOutputMessage(t *testing.T) {
	m, err := events.Subjects{}.OutputMessage(wrap(t, samples()["token-rotated"]))
	if err != nil {
		t.Fatal(err)
	}
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "regrant.out."+bank.Token()+".token-rotated" || header(m, "Nats-Msg-Id") != e.ID() ||
		header(m, "Regrant-Sequence") != "42" || header(m, "Regrant-Generation") != "8" {
		t.Errorf("%+v", m)
	}
	if n, err := events.Number(e); n != 42 || err != nil {
		t.Errorf("number %d, %v", n, err)
	}
	if e.Extensions()["sequence"] != "00000000000000000042" || e.Extensions()["partitionkey"] != bank.Token() {
		t.Errorf("%v", e.Extensions())
	}
}

func TestMessagesOnlyGoTheirWay(t *testing.T) {
	var s events.Subjects
	if _, err := s.InputMessage(wrap(t, samples()["token-rotated"])); !isInvalid(err, "type", events.FaultWrongType) {
		t.Errorf("an output as input: %v", err)
	}
	if _, err := s.OutputMessage(wrap(t, samples()["token-expired"])); !isInvalid(err, "sequence", events.FaultMalformed) {
		t.Errorf("an input as output: %v", err)
	}
	e := wrap(t, samples()["logout-requested"])
	e.SetSubject("another")
	if _, err := s.InputMessage(e); !isInvalid(err, "subject", events.FaultWrongSubject) {
		t.Errorf("another subject: %v", err)
	}
}

func TestOutputIDs(t *testing.T) {
	first, again := wrap(t, samples()["token-rotated"]), wrap(t, samples()["consent-required"])
	if first.ID() != again.ID() || first.ID() != events.OutputID(bank, 42) || len(first.ID()) != 22 {
		t.Errorf("ids %s, %s depend on more than link and number", first.ID(), again.ID())
	}
	shifted := events.Address{Tenant: bank.Tenant, Provider: bank.Provider + bank.Link[:1], Link: bank.Link[1:]}
	if events.OutputID(shifted, 42) == first.ID() || events.OutputID(bank, 43) == first.ID() {
		t.Error("different links or numbers share an id")
	}
	if _, err := events.NewOutput("w", 0, at, events.Trace{}, samples()["token-rotated"]); err == nil {
		t.Error("number 0 was accepted")
	}
}

// An id that changes with a release would announce everything in the outboxes twice.
func TestIDsStayAsTheyAre(t *testing.T) {
	for got, want := range map[string]string{
		events.OutputID(l1, 1): "JXSzrR1OLwQa-faPDq13bg",
		events.TokenExpiredMsgID(l1, 7, "", events.ReasonExpired):  "O96818sLKfok_lRFLsWH-g",
		events.TokenExpiredMsgID(l1, 0, "f", events.ReasonExpired): "aQCjIEcghTyJzxjW2iFPQw",
		events.InputMsgID("s", "1"):                                "VqhDsdn0vM8uDwtOUltOdg",
	} {
		if got != want {
			t.Errorf("%s, was %s", got, want)
		}
	}
}

func TestFingerprintIsThatOfPackageSecret(t *testing.T) {
	for _, bearer := range []string{"", "x", "eyJhbGciOiJSUzI1NiJ9.e30.sig"} {
		if got, want := events.Fingerprint(bearer), secret.New(bearer).Fingerprint(); got != want {
			t.Errorf("%q: %s, want %s", bearer, got, want)
		}
	}
}

// What is stored in a record is published as the event itself would be.
func TestAStoredOutputMakesTheSameMessage(t *testing.T) {
	for name, d := range samples() {
		n := d.EventName()
		if n.Input() {
			continue
		}
		e := wrap(t, d)
		want, err := events.Subjects{}.OutputMessage(e)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := events.Subjects{}.StoredOutput(encode(t, d))
		if err != nil {
			t.Fatal(name, err)
		}
		if got.Subject != want.Subject || !reflect.DeepEqual(got.Header, want.Header) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: %s %v, want %s %v", name, got.Subject, got.Header, want.Subject, want.Header)
		}
	}
}

func TestAStoredOutputThatIsNoneMakesNoMessage(t *testing.T) {
	whole := string(encode(t, samples()["token-rotated"]))
	for what, text := range map[string]string{
		"empty": "", "cut": whole[:len(whole)-9], "an input": string(encode(t, samples()["token-expired"])),
		"no id": strings.Replace(whole, `"id":`, `"di":`, 1), "no number": strings.Replace(whole, `"sequence":`, `"series":`, 1),
		"of another link": strings.Replace(whole, `"subject":"`, `"subject":"x`, 1),
		"of no type":      strings.Replace(whole, "token-rotated", "token-rotten", 1),
	} {
		if m, err := (events.Subjects{}).StoredOutput([]byte(text)); err == nil {
			t.Errorf("%s: %+v", what, m)
		}
	}
}

func TestGenerationOf(t *testing.T) {
	for text, want := range map[string]uint64{"7": 7, "18446744073709551615": 1<<64 - 1, "0": 0, "": 0, "-1": 0, "+1": 0, "1.0": 0, "x": 0} {
		got, ok := events.GenerationOf(map[string][]string{events.HeaderGeneration: {text}})
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	if _, ok := events.GenerationOf(map[string][]string{events.HeaderGeneration: {"1", "2"}}); ok {
		t.Error("two generations were accepted")
	}
}

func TestCausedBy(t *testing.T) {
	e := wrap(t, samples()["token-expired"])
	got := events.CausedBy(e)
	if got.CorrelationID != trace.CorrelationID || got.CausationID != e.ID() || got.Traceparent != trace.Traceparent {
		t.Errorf("%+v", got)
	}
	first, err := events.NewInput("s", "1", at, events.Trace{}, samples()["token-expired"])
	if err != nil {
		t.Fatal(err)
	}
	if got := events.CausedBy(first); got.CorrelationID != "1" || got.CausationID != "1" {
		t.Errorf("%+v", got)
	}
}

// A commit carries its events: whatever a provider calls a scope, they encode.
func TestOutputsTakeWhatProvidersSay(t *testing.T) {
	d := events.TokenRotated{Address: bank, Generation: 1, Consent: 1, Cause: events.CauseRefresh, Comparison: events.ComparisonUnknown,
		Scopes: []string{"", "\xff", "\x00", `"`, "</script>"}, AccountsLost: []string{}}
	e, err := events.Decode(nil, encode(t, d))
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Check(e, bank, events.NameTokenRotated); err != nil {
		t.Error(err)
	}
}
