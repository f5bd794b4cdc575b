package examples_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// goService is the example in Go, in a process of its own.
type goService struct {
	*testenv.Process
	url string
}

var listening = regexp.MustCompile(`"msg":"listening","url":"([^"]+)"`)

func startGo(t *testing.T, c *fleet.Cell, name string) goService {
	t.Helper()
	p := testenv.Start(t, testenv.Command{
		Path: testenv.Build(t, "./examples/go-service"),
		Args: []string{
			"-nats", c.Config.NATS.URL, "-provider", "op", "-api", c.Sim.Endpoints("op").ResourceURL,
			"-name", name, "-listen", "127.0.0.1:0", "-wait", limit.String(),
		},
		Ready: `"url":"http://127.0.0.1`,
	})
	var found []string
	testenv.Eventually(t, limit, "the service says where it listens", func() bool {
		found = listening.FindStringSubmatch(p.Output())
		return found != nil
	})
	return goService{p, found[1]}
}

// get asks a service for what the API says of a link's user.
func (s goService) get(t *testing.T, link string) {
	t.Helper()
	resp, err := http.Get(s.url + "/links/" + link)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil {
		t.Errorf("%s: %s %v", resp.Status, body, err)
	}
}

// One bearer dies, and everybody sees it: two services in Go, and one in Node that
// knows the generation where another knows the bearer alone. All report, Node more
// than once. The provider sees one presentation, and whoever waited is served.
func TestNodeAndGoReportOneExpiry(t *testing.T) {
	c := newCell(t)
	n := newNode(t, c.Config.NATS.URL)
	documents, passed := readContract(t), tap(t, c)
	made, err := c.Import(t.Context(), "op", 1)
	must(t, err)
	link := made[0]
	for _, id := range []string{"w1", "w2"} {
		w, err := c.Start(t.Context(), id, nil)
		must(t, err)
		defer end(t, w.Stop)
	}
	subscriber := n.subscriber("--name", "prompts", "--from", "all")
	services := []goService{startGo(t, c, "go-a"), startGo(t, c, "go-b")}
	for _, s := range services {
		s.get(t, link.Link)
	}

	arrived, hold := make(chan providertest.Presentation, 1), make(chan struct{})
	c.Sim.Script("op", providertest.Fault{Arrived: arrived, Hold: hold})
	c.Sim.Kill(link.Family)
	acks := reportTwiceEach(n, link)
	<-arrived // the one refresh is on its way, and stays there until all have reported
	var waiting sync.WaitGroup
	for _, s := range append(services, services...) {
		waiting.Go(func() { s.get(t, link.Link) })
	}
	testenv.Eventually(t, limit, "everybody's report", func() bool {
		from := sources(t, passed.seen("regrant.in."))
		return from["//go-a"] > 0 && from["//go-b"] > 0 && from["//node-service"] == 4
	})
	close(hold)
	waiting.Wait()

	awaitQuiet(t, c, link)
	onePresentation(t, c)
	rotated := awaitPrinted(t, subscriber, "dev.regrant.token-rotated.v1", 1)
	if d, err := events.As[events.TokenRotated](rotated[0]); err != nil || d.Generation != 2 || d.Address != link.Address {
		t.Errorf("Node saw %+v, %v", d, err)
	}
	for _, s := range services {
		testenv.Eventually(t, limit, "a service in Go hears of it", func() bool {
			return strings.Contains(s.Output(), `"msg":"token rotated"`)
		})
	}
	oneMessageID(t, passed.seen("regrant.in."))
	for _, m := range passed.seen("regrant.") {
		documents.check(t, m)
	}
	validate(t, acks...)
	validate(t, lines(subscriber.Output())...)
}

// The whole of it in Node: a call that meets a dead bearer ends with the next one's
// answer, and a link without a token ends in the reason.
func TestNodeCallsWithAGrant(t *testing.T) {
	c := newCell(t)
	n := newNode(t, c.Config.NATS.URL)
	documents, passed := readContract(t), tap(t, c)
	made, err := c.Import(t.Context(), "op", 1)
	must(t, err)
	w, err := c.Start(t.Context(), "w1", nil)
	must(t, err)
	defer end(t, w.Stop)

	args := []string{"caller.mjs", "--provider", "op", "--api", c.Sim.Endpoints("op").ResourceURL, "--wait", "30", "--link"}
	for generation := range uint64(2) {
		want := fmt.Sprintf(`{"status":200,"generation":%d,"calls":%[1]d}`, generation+1)
		if got := strings.TrimSpace(n.run("", append(args, made[0].Link)...)); got != want {
			t.Errorf("Node printed %s, not %s", got, want)
		}
		c.Sim.Kill(made[0].Family)
	}
	onePresentation(t, c)
	for _, m := range passed.seen("regrant.") {
		documents.check(t, m)
	}
	p := testenv.Start(t, testenv.Command{Path: n.program, Args: append(args, "unknown"), Dir: nodeDir, Env: n.env})
	if err := p.Wait(); err == nil || !strings.Contains(p.Output(), "(not_found)") {
		t.Errorf("for no link it ended with %v and said %s", err, p.Output())
	}
}

// reportTwiceEach has Node report the link by generation and by fingerprint, and
// returns the events that it says it sent.
func reportTwiceEach(n node, link fleet.Link) []string {
	n.Helper()
	var sent []string
	for range 2 {
		for stdin, which := range map[string]string{"": "--generation=1", link.AccessToken: "--bearer-stdin"} {
			out := n.run(stdin, "reporter.mjs", "--provider", "op", "--link", link.Link, which)
			var ack struct {
				Seq   uint64
				Event json.RawMessage
			}
			if err := json.Unmarshal([]byte(out), &ack); err != nil || ack.Seq == 0 {
				n.Fatalf("reporter printed %q: %v", out, err)
			}
			sent = append(sent, string(ack.Event))
		}
	}
	return sent
}

// sources counts messages by who made them.
func sources(t *testing.T, all []*nats.Msg) map[string]int {
	t.Helper()
	from := map[string]int{}
	for _, m := range all {
		e, err := events.Decode(m.Header, m.Data)
		must(t, err)
		from[e.Source()]++
	}
	return from
}

// awaitQuiet waits until the link has rotated and every report is dealt with.
func awaitQuiet(t *testing.T, c *fleet.Cell, link fleet.Link) {
	t.Helper()
	testenv.Eventually(t, limit, "the link rotates", func() bool {
		got, err := c.Link(t.Context(), link.Address)
		return err == nil && got.Generation == 2 && got.Status == links.Active
	})
	testenv.Eventually(t, limit, "no report is left", func() bool {
		consumer, err := c.Bus.JetStream().Consumer(t.Context(), c.Bus.Names().In(), c.Bus.Names().WorkerConsumer("op"))
		must(t, err)
		info := consumer.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

func onePresentation(t *testing.T, c *fleet.Cell) {
	t.Helper()
	ledger, err := c.Sim.Ledger()
	must(t, err)
	if all := ledger.Presentations(providertest.Filter{}); len(all) != 1 {
		t.Errorf("%d presentations of one expiry: %v", len(all), all)
	}
}

// oneMessageID sees to it that reports of one expiry by its generation have one
// message id, in whatever language they were made, and those by fingerprint another.
func oneMessageID(t *testing.T, reports []*nats.Msg) {
	t.Helper()
	for _, m := range reports {
		e, err := events.Decode(m.Header, m.Data)
		must(t, err)
		d, err := events.As[events.TokenExpired](e)
		must(t, err)
		want := events.TokenExpiredMsgID(d.Address, d.Generation, d.Fingerprint, d.Reason)
		if got := m.Header.Get(events.HeaderMsgID); got != want || d.Generation > 1 {
			t.Errorf("%s reported generation %d under the message id %q, not %q", e.Source(), d.Generation, got, want)
		}
	}
}

// validate holds events against the schemas with the command that others would use.
func validate(t *testing.T, all ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Build(t, "./cmd/publisher"), "validate", "-")
	cmd.Stdin = strings.NewReader(strings.Join(all, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), " ok\n") != len(all) {
		t.Errorf("publisher validate: %v\n%s", err, out)
	}
}

// lines are the events that a subscriber has printed so far.
func lines(output string) []string {
	var found []string
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// awaitPrinted waits until a subscriber has printed so many events of a type.
func awaitPrinted(t *testing.T, p *testenv.Process, kind string, n int) []event.Event {
	t.Helper()
	var found []event.Event
	testenv.Eventually(t, limit, fmt.Sprintf("%d %s from Node", n, kind), func() bool {
		found = nil
		for _, line := range lines(p.Output()) {
			if e, err := events.Decode(nil, []byte(line)); err == nil && e.Type() == kind {
				found = append(found, e)
			}
		}
		return len(found) >= n
	})
	if len(found) > n {
		t.Errorf("Node printed %d events of type %s, not %d", len(found), kind, n)
	}
	return found
}
