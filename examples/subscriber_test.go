package examples_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
)

const kindRotated = "dev.regrant.token-rotated.v1"

var subscribed = events.Address{Tenant: "default", Provider: "op", Link: "L1"}

// rotated is the announcement of a generation of the link.
func rotated(t *testing.T, generation uint64) events.Message {
	t.Helper()
	e, err := events.NewOutput("//regrant/regrant", generation, time.Now(), events.Trace{}, events.TokenRotated{
		Address: subscribed, Generation: generation, PreviousGeneration: generation - 1, Consent: 1,
		Cause: events.CauseRefresh, Comparison: events.ComparisonSame,
	})
	must(t, err)
	m, err := events.Subjects{}.OutputMessage(e)
	must(t, err)
	return m
}

func announce(t *testing.T, c *fleet.Cell, generations ...uint64) {
	t.Helper()
	for _, g := range generations {
		must(t, c.Bus.PublishOutput(t.Context(), rotated(t, g)))
	}
}

// again stores an event once more, as happens when the dedup window is over.
func again(t *testing.T, c *fleet.Cell, generation uint64) {
	t.Helper()
	m := rotated(t, generation)
	msg := nats.NewMsg(m.Subject)
	msg.Data = m.Data
	msg.Header.Set(events.HeaderContentType, events.ContentType)
	_, err := c.Bus.JetStream().PublishMsg(t.Context(), msg)
	must(t, err)
}

// awaitAcked waits until the subscription is through with everything.
func awaitAcked(t *testing.T, c *fleet.Cell, name string) {
	t.Helper()
	testenv.Eventually(t, limit, "everything is acknowledged", func() bool {
		consumer, err := c.Bus.JetStream().Consumer(t.Context(), c.Bus.Names().Out(), "sub-"+name)
		must(t, err)
		info := consumer.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

// What Node handled it handles once, however often it comes; what is no event at all
// does not stop it.
func TestNodeSubscriberHandlesAnEventOnce(t *testing.T) {
	c := newCell(t)
	p := newNode(t, c.Config.NATS.URL).subscriber("--name", "s")
	announce(t, c, 2)
	again(t, c, 2)
	_, err := c.Bus.JetStream().Publish(t.Context(), rotated(t, 2).Subject, []byte("no event"))
	must(t, err)
	announce(t, c, 3)
	awaitAcked(t, c, "s")
	for i, e := range awaitPrinted(t, p, kindRotated, 2) {
		if d, err := events.As[events.TokenRotated](e); err != nil || d.Generation != uint64(i)+2 {
			t.Errorf("event %d is %+v, %v", i, d, err)
		}
	}
}

// A subscription goes on where its last process left off, however that ended.
func TestNodeSubscriberGoesOnWhereItWas(t *testing.T) {
	c := newCell(t)
	n := newNode(t, c.Config.NATS.URL)
	announce(t, c, 2) // before there was a subscription: not for it
	p := n.subscriber("--name", "s")
	announce(t, c, 3)
	awaitPrinted(t, p, kindRotated, 1)
	awaitAcked(t, c, "s")
	p.Kill()
	announce(t, c, 4)
	p.Restart()
	awaitPrinted(t, p, kindRotated, 1)
	awaitAcked(t, c, "s")
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("told to end, it ended with %v", err)
	}
	announce(t, c, 5)
	p = n.subscriber("--name", "s", "--count", "1")
	if err := p.Wait(); err != nil {
		t.Errorf("after its count it ended with %v", err)
	}
	d, err := events.As[events.TokenRotated](awaitPrinted(t, p, kindRotated, 1)[0])
	if err != nil || d.Generation != 5 {
		t.Errorf("the last process saw %+v, %v", d, err)
	}
}

// Whoever reports nonsense, or for a provider that the cell does not serve, is told so.
func TestNodeReporterSaysWhatIsWrong(t *testing.T) {
	c := newCell(t)
	n := newNode(t, c.Config.NATS.URL)
	for want, args := range map[string][]string{
		"one of --generation and --bearer-stdin": {"--provider", "op", "--link", "L1"},
		"and --bearer-stdin":                     {"--provider", "op", "--link", "L1", "--generation", "1", "--bearer-stdin"},
		"is there a provider other":              {"--provider", "other", "--link", "L1", "--generation", "1"},
	} {
		p := testenv.Start(t, testenv.Command{Path: n.program, Args: append([]string{"reporter.mjs"}, args...), Dir: nodeDir, Env: n.env})
		if err := p.Wait(); err == nil || !strings.Contains(p.Output(), want) {
			t.Errorf("%q: ended with %v and said %s", want, err, p.Output())
		}
	}
}
