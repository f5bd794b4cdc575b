package links_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

var update = flag.Bool("update", false, "write the golden record anew: only with a new layout version")

const golden = "testdata/record.v2.json"

// TestGoldenRecord holds the stored form still: records written by a released
// version lie in buckets that nobody converts.
func TestGoldenRecord(t *testing.T) {
	var have bytes.Buffer
	if err := json.Indent(&have, []byte(encode(t, full())), "", "  "); err != nil {
		t.Fatal(err)
	}
	have.WriteByte('\n')
	if *update {
		if err := os.WriteFile(golden, have.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have.Bytes(), want) {
		t.Errorf("the record is stored in another form than version %d has; this is\n%s", links.Version, have.Bytes())
	}
	l, err := links.Decode(want)
	if err != nil {
		t.Fatal(err)
	}
	if encode(t, l) != encode(t, full()) {
		t.Errorf("the golden record reads as\n%+v", l)
	}
}

// A record of the first layout is read, and is written back in the present one.
func TestRecordOfLayout1(t *testing.T) {
	data, err := os.ReadFile("testdata/record.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	l, err := links.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if l.Version != links.Version || l.Generation != 5 || l.Consent != 2 || l.Numbered() != 3 {
		t.Errorf("layout %d, generation %d, consent %d, next consent %d", l.Version, l.Generation, l.Consent, l.Numbered())
	}
}

// TestGoldenRecordIsFull fails when a field was added and the golden record does not show it.
func TestGoldenRecordIsFull(t *testing.T) {
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		if v.Field(i).IsZero() && v.Type().Field(i).Name != "Refused" { // full is not refused: the link lives
			t.Errorf("%s is not in the golden record", v.Type().Field(i).Name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for name, step := range transitions {
		l := step(full())
		got, err := links.Decode([]byte(encode(t, l)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if encode(t, got) != encode(t, l) {
			t.Errorf("%s: read back as\n%s\nwritten\n%s", name, encode(t, got), encode(t, l))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "not JSON": "canary", "cut short": encode(t, full())[:200], "no version": `{"tenant":"default"}`,
		"a newer layout": `{"v":3}`, "an older one": `{"v":0}`, "another type": `{"v":1,"generation":"canary"}`, "a list": `[1]`,
	} {
		_, err := links.Decode([]byte(data))
		if !errors.Is(err, links.ErrRecord) {
			t.Errorf("%s: %v, want ErrRecord", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error repeats the record: %v", name, err)
		}
	}
}

// maxRecord is far below NATS's limit of a megabyte, with sealed parts of the size
// that long JWTs have.
const (
	sealedSize = 4 << 10
	maxRecord  = 64 << 10
)

// TestRecordStaysBounded makes 10,000 transitions of all kinds on one link whose
// events are confirmed in time. Nothing in the record may grow with its age.
func TestRecordStaysBounded(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	sealed := bytes.Repeat([]byte("s"), sealedSize)
	l, largest := active(), 0
	for n := range 10_000 {
		when := now.Add(time.Duration(n) * time.Minute)
		c := links.Claim{Attempt: fmt.Sprintf("%026d", n), Consent: l.Consent, Generation: l.Generation}
		switch random.IntN(9) {
		case 0, 1:
			l = l.Begin(links.Attempt{ID: c.Attempt, Worker: "worker-1", At: when}, true, rules).Observed(when)
		case 2:
			g := grantFor(l.Generation+1, when)
			g.Sealed = sealed
			l = l.Commit(c, g, events.CauseRefresh, origin, when, rules, 0)
		case 3:
			l = l.Keep(c, []links.KeptKind{links.KeptCandidate, links.KeptLate, links.KeptHostile}[random.IntN(3)], sealed, when)
		case 4:
			l = l.Park(c, sealed, when, rules, 0)
		case 5:
			l = l.GiveUp(view(rules, links.Over), origin)
		case 6:
			l = l.Dead("a", "grant_dead", origin, when, rules)
		case 7:
			l = l.Postpone(when, rules, 0)
		case 8:
			l = l.Quarantine(c, sealed, "subject_changed", origin, when)
		}
		if random.IntN(4) == 0 {
			l = l.Settled(l.EventNumber)
		}
		if n%16 == 0 {
			largest = max(largest, len(encode(t, l)))
		}
	}
	if largest > maxRecord {
		t.Errorf("the record grew to %d bytes (seed %d)", largest, seed)
	}
	t.Logf("largest record: %d bytes", largest)
}

// TestKeptAnswersAreOldestFirstOut, and the same answer is kept once.
func TestKeptAnswers(t *testing.T) {
	l := active()
	for n := range 6 {
		c := links.Claim{Attempt: fmt.Sprint("attempt-", n)}
		l = l.Keep(c, links.KeptLate, nil, now).Keep(c, links.KeptLate, nil, now)
	}
	if len(l.Kept) != 4 || l.Kept[0].Attempt != "attempt-2" {
		t.Errorf("kept %+v", l.Kept)
	}
	if k, ok := l.KeptOf(links.KeptLate); !ok || k.Attempt != "attempt-5" {
		t.Errorf("the newest is %s", k.Attempt)
	}
	if p := l.Keep(links.Claim{Attempt: "x"}, links.KeptLate, []byte("sealed"), now).Public(); p.Kept[3].Sealed != nil || p.Sealed != nil {
		t.Error("a sealed part is public")
	}
}

func BenchmarkEncode(b *testing.B) {
	l := full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(encode(b, full()))
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := links.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	l, v := refreshing("a", "b"), view(with(links.Grace), links.Closed)
	b.ReportAllocs()
	for b.Loop() {
		l.Decide(seen401, v)
	}
}

func BenchmarkCommit(b *testing.B) {
	l, g := refreshing("a"), grantFor(6, now)
	b.ReportAllocs()
	for b.Loop() {
		l.Commit(claimA, g, events.CauseRefresh, origin, now, rules, 0.5)
	}
}
