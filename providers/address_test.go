package providers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

func TestAddresses(t *testing.T) {
	none, loop, private := addressRule{}, addressRule{loopback: true}, addressRule{private: true}
	cases := []struct {
		addr string
		ok   []bool // none, loop, private
	}{
		{"93.184.216.34", []bool{true, true, true}},
		{"2606:4700::1111", []bool{true, true, true}},
		{"127.0.0.1", []bool{false, true, false}},
		{"127.8.8.8", []bool{false, true, false}},
		{"::1", []bool{false, true, false}},
		{"::ffff:127.0.0.1", []bool{false, true, false}},
		{"64:ff9b::7f00:1", []bool{false, true, false}},
		{"10.0.0.1", []bool{false, false, true}},
		{"172.16.0.1", []bool{false, false, true}},
		{"192.168.1.1", []bool{false, false, true}},
		{"::ffff:192.168.1.1", []bool{false, false, true}},
		{"2002:c0a8:0101::1", []bool{false, false, true}},
		{"64:ff9b::a00:1", []bool{false, false, true}},
		{"100.64.0.1", []bool{false, false, true}},
		{"198.18.0.1", []bool{false, false, true}},
		{"fd00::1", []bool{false, false, true}},
		{"169.254.169.254", []bool{false, false, false}},
		{"::ffff:169.254.169.254", []bool{false, false, false}},
		{"64:ff9b::a9fe:a9fe", []bool{false, false, false}},
		{"fe80::1", []bool{false, false, false}},
		{"fe80::1%eth0", []bool{false, false, false}},
		{"0.0.0.0", []bool{false, false, false}},
		{"0.1.2.3", []bool{false, false, false}},
		{"::", []bool{false, false, false}},
		{"224.0.0.1", []bool{false, false, false}},
		{"255.255.255.255", []bool{false, false, false}},
		{"ff02::1", []bool{false, false, false}},
		{"240.0.0.1", []bool{false, false, false}},
	}
	for _, c := range cases {
		for i, rule := range []addressRule{none, loop, private} {
			if err := rule.check(netip.MustParseAddr(c.addr)); (err == nil) != c.ok[i] {
				t.Errorf("%s under %+v: %v", c.addr, rule, err)
			} else if err != nil && !errors.Is(err, errAddress) {
				t.Errorf("%s: %v is no errAddress", c.addr, err)
			}
		}
	}
}

// A name that passed every check at configuration time and resolves to this host
// at the moment of connecting: nobody is connected to.
func TestNameThatResolvesInwardsIsNotDialled(t *testing.T) {
	var mu sync.Mutex
	conns := 0
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, goodBody) })
	s.Config.ConnState = func(net.Conn, http.ConnState) { mu.Lock(); conns++; mu.Unlock() }
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())

	profile := profileAt(t, s.URL)
	profile.AllowLoopback = false
	profile.TokenURL = "https://provider.example:" + port + "/token"
	p := open(t, profile, Options{})
	p.dialer.Resolver = liar(t, [4]byte{127, 0, 0, 1})
	out := refresh(t, p)
	if out.Class != NotSent || !strings.Contains(out.Err.Error(), "allow_loopback") {
		t.Fatalf("%s: %v", out.Class, out.Err)
	}
	mu.Lock()
	defer mu.Unlock()
	if conns != 0 {
		t.Fatal("connected")
	}
}

// liar resolves every name to one IPv4 address, over a name server of its own.
func liar(t *testing.T, to [4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(lie(buf[:n], to), from)
		}
	})
	t.Cleanup(func() { _ = pc.Close(); wg.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// lie answers a DNS query (RFC 1035, 4.1): the question back and, for type A, one
// record with the address.
func lie(query []byte, to [4]byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	isA := binary.BigEndian.Uint16(query[end+1:]) == 1
	head := []byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}
	if !isA {
		return append(head, question...)
	}
	head[7] = 1
	answer := append(head, question...)
	answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4)
	return append(answer, to[:]...)
}
