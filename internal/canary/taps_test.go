package canary_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
)

// taps hear what passes between the parts of a cell, stored or not, and look into
// what is sealed.
type taps struct {
	// redis is what was said to the lock server, and what it answered.
	redis buffer
	// wire is whatever NATS carried, requests and answers of JetStream included.
	wire buffer
	// opened is what the sealed parts of records and spool files hold.
	opened buffer

	listening *nats.Conn
	// last is the word that was sent to be heard last, heard its arrival.
	last  string
	heard chan struct{}
}

// tapLocks stands between the workers and their lock server.
func (w *world) tapLocks(server string) (tapped string) {
	w.t.Helper()
	at, err := url.Parse(server)
	w.ok(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.ok(err)
	var all sync.WaitGroup
	to := at.Host
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.relay(c, to) })
		}
	})
	w.t.Cleanup(func() { _ = l.Close(); all.Wait() })
	at.Host = l.Addr().String()
	return at.String()
}

// relay carries one connection until either side has had enough.
func (w *world) relay(client net.Conn, to string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return // the client sees its connection end
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(io.MultiWriter(client, &w.redis), server)
		_ = client.Close()
	})
	_, _ = io.Copy(io.MultiWriter(server, &w.redis), client)
	_ = server.Close()
	back.Wait()
}

// listen hears everything that NATS carries from now on.
func (w *world) listen() {
	w.t.Helper()
	conn, err := nats.Connect(w.cell.Config.NATS.URL)
	w.ok(err)
	w.t.Cleanup(conn.Close)
	w.listening, w.last, w.heard = conn, "heard."+ulid.Make().String(), make(chan struct{})
	sub, err := conn.Subscribe(">", w.hear)
	w.ok(err)
	w.ok(sub.SetPendingLimits(-1, -1))
	w.ok(conn.Flush())
}

func (w *world) hear(m *nats.Msg) {
	if m.Subject == w.last {
		close(w.heard)
		return
	}
	fmt.Fprintf(&w.wire, "%s %s %v %s\n", m.Subject, m.Reply, m.Header, m.Data)
	if strings.HasPrefix(m.Subject, "$KV."+w.cell.Bus.Names().Links()+".") && !strings.HasSuffix(m.Subject, ".planted") && len(m.Data) > 0 {
		w.openRecord(m.Data)
	}
}

// hearOut returns when everything that was sent before has been heard, and ends the
// listening.
func (w *world) hearOut() {
	w.t.Helper()
	w.ok(w.listening.Publish(w.last, nil))
	<-w.heard
}

// openRecord looks into a link's record as it is written.
func (w *world) openRecord(text []byte) {
	l, err := links.Decode(text)
	if err != nil {
		w.t.Errorf("a record that is none: %v", err)
		return
	}
	if len(l.Sealed) > 0 {
		w.open("tokens", l.Address, l.Consent, l.Generation, l.Sealed)
	}
	for _, kept := range l.Kept {
		w.open("answer", l.Address, kept.Consent, kept.Generation, kept.Sealed)
	}
}

// openSpool looks into the answers that the spool holds now, and counts them.
func (w *world) openSpool() (n int) {
	w.t.Helper()
	const first = `{"tenant"`
	for name, text := range files(w.t, w.spool) {
		for _, saved := range bytes.SplitAfter(text, []byte(first))[1:] {
			var s struct {
				events.Address
				Consent, Generation uint64
				Sealed              []byte
			}
			if err := json.NewDecoder(io.MultiReader(strings.NewReader(first), bytes.NewReader(saved))).Decode(&s); err != nil {
				w.t.Errorf("spool/%s holds what is no answer: %v", name, err)
				continue
			}
			w.open("answer", s.Address, s.Consent, s.Generation, s.Sealed)
			n++
		}
	}
	return n
}

func (w *world) open(kind string, a events.Address, consent, generation uint64, sealed []byte) {
	clear, err := w.cell.Keys.Open(seal.Binding{
		Kind: kind, Tenant: a.Tenant, Provider: a.Provider, Link: a.Link, Consent: consent, Generation: generation,
	}, sealed)
	if err != nil {
		w.t.Errorf("%s of link %s do not open: %v", kind, a, err)
	}
	_, _ = w.opened.Write(append(clear, '\n'))
}
