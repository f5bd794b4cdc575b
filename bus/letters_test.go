package bus_test

import (
	"errors"
	"testing"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/inbox"
)

// died reports a link's bearer n times and waits until each report lies in the dead letters.
func died(t *testing.T, n int) *bus.Bus {
	t.Helper()
	b, s := cell(t)
	wire := acks(t, s)
	consume(t, b, 1, answering(inbox.Dead("schema", "data.status")))
	for i := range n {
		report(t, b, string(rune('1'+i)))
		for next(t, "the end", wire) != "+TERM schema" {
		}
	}
	return b
}

func letters(t *testing.T, b *bus.Bus) (all []bus.Letter) {
	t.Helper()
	if err := b.Letters(t.Context(), func(l bus.Letter) error { all = append(all, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLettersAreListedReadAndDropped(t *testing.T) {
	t.Parallel()
	b := died(t, 2)
	all := letters(t, b)
	if len(all) != 2 || all[0].Number != 1 || all[1].Number != 2 || all[1].Sequence != 2 {
		t.Fatalf("%+v", all)
	}
	if a, name := b.Names().About(all[0].DeadLetter); a != link || name != "token-expired" {
		t.Errorf("about %v %s", a, name)
	}
	one, err := b.Letter(t.Context(), 2)
	if err != nil || one != all[1] {
		t.Fatalf("%+v %v", one, err)
	}
	for range 2 { // also when it is gone
		if err := b.DropLetter(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Letter(t.Context(), 2); !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("dropped, and read: %v", err)
	}
	if left := letters(t, b); len(left) != 1 || left[0].Number != 1 {
		t.Errorf("left: %+v", left)
	}
}

func TestTheOriginalOfALetter(t *testing.T) {
	t.Parallel()
	b := died(t, 1)
	letter := letters(t, b)[0]
	m, err := b.Original(t.Context(), letter.DeadLetter)
	if err != nil || m.Subject != letter.Subject || m.Sequence != letter.Sequence || len(m.Data) == 0 || m.StoredAt.IsZero() {
		t.Fatalf("%+v %v", m, err)
	}
	elsewhere := letter.DeadLetter
	elsewhere.Subject = "regrant.in.default.op.L2.token-expired"
	if _, err := b.Original(t.Context(), elsewhere); !errors.Is(err, bus.ErrAgedOut) {
		t.Errorf("another message stands for it: %v", err)
	}
	alien := letter.DeadLetter
	alien.Stream = "KV_regrant_links"
	if _, err := b.Original(t.Context(), alien); err == nil {
		t.Error("a letter leads to a record")
	}
	stream, err := b.JetStream().Stream(t.Context(), b.Names().In())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Original(t.Context(), letter.DeadLetter); !errors.Is(err, bus.ErrAgedOut) {
		t.Errorf("aged out: %v", err)
	}
}

// Whoever may publish to a subject of the dead letters may put there what is none, or
// one about another message.
func TestWhatIsNoLetterIsLeftOut(t *testing.T) {
	t.Parallel()
	b := died(t, 1)
	for _, body := range []string{`"none"`, `{"stream":"REGRANT_IN","sequence":1,"subject":"regrant.in.default.op.L1.token-expired","reason":"schema"}`} {
		if _, err := b.JetStream().Publish(t.Context(), "regrant.dead.out.default.op.L1.token-rotated", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if all := letters(t, b); len(all) != 1 {
		t.Errorf("%+v", all)
	}
	for _, number := range []uint64{2, 3} {
		if _, err := b.Letter(t.Context(), number); !errors.Is(err, bus.ErrNoLetter) {
			t.Error(err)
		}
	}
}
