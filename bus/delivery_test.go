package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/inbox"
)

const (
	shortReply = "$JS.ACK.REGRANT_IN.worker-op.3.1042.77.1790000000123456789.5"
	longReply  = "$JS.ACK.hub.ABCDEF.REGRANT_IN.worker-op.3.1042.77.1790000000123456789.5.x1y2"
)

func TestADeliveryIsReadFromItsReplySubject(t *testing.T) {
	for _, reply := range []string{shortReply, longReply, longReply[:len(longReply)-len(".x1y2")]} {
		var d delivery
		if err := d.read(&nats.Msg{Subject: "s", Reply: reply, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		m := d.msg
		if m.Subject != "s" || string(m.Data) != "x" || m.Stream != "REGRANT_IN" || m.Delivered != 3 || m.Sequence != 1042 ||
			!m.StoredAt.Equal(time.Unix(0, 1790000000123456789)) {
			t.Errorf("%s is %+v", reply, m)
		}
	}
	for _, reply := range []string{
		"", "$JS.ACK", "_INBOX.a.b", shortReply + ".6", shortReply[:len(shortReply)-2],
		"$JS.ACK.S.C.x.1.1.1.1", "$JS.ACK.S.C.1.-1.1.1.1", "$JS.ACK.S.C.1.1.1.now.1",
	} {
		if err := new(delivery).read(&nats.Msg{Reply: reply}); err == nil {
			t.Errorf("%q is a delivery", reply)
		}
	}
}

// The client library's own reading must agree, whatever the server sends.
func TestADeliveryIsReadAsTheLibraryDoes(t *testing.T) {
	for _, reply := range []string{shortReply, longReply} {
		raw := &nats.Msg{Reply: reply, Sub: new(nats.Subscription)}
		theirs, err := raw.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		var d delivery
		if err := d.read(raw); err != nil {
			t.Fatal(err)
		}
		ours := inbox.Message{Stream: theirs.Stream, Sequence: theirs.Sequence.Stream, StoredAt: theirs.Timestamp, Delivered: theirs.NumDelivered}
		if m := d.msg; m.Stream != ours.Stream || m.Sequence != ours.Sequence || !m.StoredAt.Equal(ours.StoredAt) || m.Delivered != ours.Delivered {
			t.Errorf("%s is %+v, the library says %+v", reply, m, ours)
		}
	}
}

func TestReadingADeliveryAllocatesNothing(t *testing.T) {
	raw, d := &nats.Msg{Reply: longReply}, new(delivery)
	if n := testing.AllocsPerRun(100, func() { _ = d.read(raw) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReadDelivery(b *testing.B) {
	raw, d := &nats.Msg{Reply: shortReply}, new(delivery)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.read(raw); err != nil {
			b.Fatal(err)
		}
	}
}
