package kvstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/linkstest"
)

// many stores more links than a page holds, in the order of their numbers.
func many(t *testing.T, s *Store, n int) []events.Address {
	t.Helper()
	all := make([]events.Address, n)
	for i := range all {
		all[i] = events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprintf("link-%03d", i)}
		if _, err := s.Create(t.Context(), linkstest.Sample(all[i])); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestListHoldsAPage listens to what is asked on the wire: neither are the names of
// all keys asked for, nor more values than one page ahead of the reader.
func TestListHoldsAPage(t *testing.T) {
	url := testenv.NATS(t)
	js, spy := connect(t, url), connect(t, url).Conn()
	provision(t, js, names)
	s := open(t, js, names)
	all := many(t, s, 2*pageSize+1)
	asked := make(chan *nats.Msg, 1024)
	if _, err := spy.ChanSubscribe("$JS.API.>", asked); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	pages, n := 0, 0
	err := s.List(t.Context(), events.Address{}, func(links.Stored) bool {
		if err := spy.Flush(); err != nil { // what was asked before it has come
			t.Fatal(err)
		}
		for len(asked) > 0 {
			m := <-asked
			if strings.HasPrefix(m.Subject, s.links.directGet) {
				pages++
			}
			if strings.Contains(string(m.Data), "subjects_filter") {
				t.Fatalf("asked for the names of keys: %s %s", m.Subject, m.Data)
			}
		}
		if ahead := pages*pageSize - n; ahead > pageSize {
			t.Fatalf("%d values were asked for while %d are read", pages*pageSize, n)
		}
		n++
		return true
	})
	if err != nil || n != len(all) || pages == 0 {
		t.Errorf("%d of %d links in %d pages, %v", n, len(all), pages, err)
	}
}

// TestListFindsWhatMoves rewrites links from inside the list: those that had their
// turn must not come again, those that had not must not be missed.
func TestListFindsWhatMoves(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provision(t, js, names)
	s := open(t, js, names)
	all := many(t, s, 2*pageSize)
	times := map[events.Address]int{}
	err := s.List(t.Context(), events.Address{}, func(v links.Stored) bool {
		times[v.Link.Address]++
		for _, a := range []events.Address{v.Link.Address, all[len(all)-1], all[pageSize+1]} {
			now, err := s.Latest(t.Context(), a)
			if err == nil {
				_, err = s.Update(t.Context(), now.Link, now.Revision)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if times[a] != 1 {
			t.Errorf("%s was listed %d times", a, times[a])
		}
	}
}

// TestListLeavesOutWhatWasDeleted: a marker is no link, also where it is the last write.
func TestListLeavesOutWhatWasDeleted(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provision(t, js, names)
	s := open(t, js, names)
	all := many(t, s, 3)
	for _, a := range []events.Address{all[0], all[2]} {
		if err := s.links.kv.Delete(t.Context(), a.Token()); err != nil {
			t.Fatal(err)
		}
	}
	for _, filter := range []events.Address{{}, {Tenant: "default"}} {
		var got []events.Address
		err := s.List(t.Context(), filter, func(v links.Stored) bool { got = append(got, v.Link.Address); return true })
		if err != nil || len(got) != 1 || got[0] != all[1] {
			t.Errorf("List(%+v): %v, %v", filter, got, err)
		}
	}
}

// TestListFindsWhatIsWrittenAllTheTime: the only link moves on before it can be read,
// again and again.
func TestListFindsWhatIsWrittenAllTheTime(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	provision(t, js, names)
	s := open(t, js, names)
	v := links.Stored{Link: linkstest.Sample(many(t, s, 1)[0])}
	now, err := s.Latest(t.Context(), v.Link.Address)
	if err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		revision, err := now.Revision, error(nil)
		for err == nil {
			select {
			case <-end:
				ended <- nil
				return
			default:
				revision, err = s.Update(t.Context(), v.Link, revision)
			}
		}
		ended <- err
	}()
	for range 50 {
		n := 0
		if err := s.List(t.Context(), events.Address{}, func(links.Stored) bool { n++; return true }); err != nil || n != 1 {
			t.Errorf("listed %d times, %v", n, err)
		}
	}
	close(end)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// A replica that lags has nothing where the leader has more: its word does not end a walk.
func TestAReplicaThatLagsEndsNoList(t *testing.T) {
	url := testenv.NATS(t)
	js := connect(t, url)
	provision(t, js, names)
	s := open(t, js, names)
	all := many(t, s, 5)
	s.links.directGet = "lagging"
	_, err := js.Conn().Subscribe("lagging", func(m *nats.Msg) {
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Status": {"404"}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := s.List(t.Context(), events.Address{}, func(links.Stored) bool { n++; return true }); err != nil || n != len(all) {
		t.Errorf("%d of %d links, %v", n, len(all), err)
	}
}
