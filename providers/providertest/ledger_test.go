package providertest

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regrant/regrant/secret"
)

// present makes n clients present the token at once and counts what they saw.
func (b *bench) present(n int, token string) (statuses map[int]int) {
	statuses = map[int]int{}
	answers := make(chan answer, n)
	ready := make(chan struct{})
	for range n {
		go func() {
			<-ready
			answers <- b.refresh(token)
		}()
	}
	close(ready)
	for range n {
		a := <-answers
		if a.err != nil {
			b.t.Error(a.err)
		}
		statuses[a.status]++
	}
	return statuses
}

func (b *bench) countOutcomes() map[Outcome]int {
	ledger, err := b.Ledger()
	if err != nil {
		b.t.Fatal(err)
	}
	counts := map[Outcome]int{}
	for _, p := range ledger.Presentations(Filter{}) {
		counts[p.Outcome]++
	}
	return counts
}

const presenters = 200

func TestOfManyPresentersOneWinsAndTheLedgerHasAll(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	if got := b.present(presenters, g.RefreshToken); got[200] != 1 || got[400] != presenters-1 {
		t.Fatalf("the clients saw %v", got)
	}
	if got := b.countOutcomes(); got[OK] != 1 || got[ReuseRevoked] != 1 || got[Dead] != presenters-2 {
		t.Fatalf("the ledger says %v", got)
	}
	ledger, err := b.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if most, times := ledger.MaxPerToken(); times != presenters || most != (TokenKey{g.Family, 1}) {
		t.Fatalf("%+v presented %d times", most, times)
	}
	for i, p := range ledger.Presentations(Filter{}) {
		if p.N != i+1 {
			t.Fatalf("line %d has n=%d", i+1, p.N)
		}
	}
	if b.Revoked() != 1 {
		t.Fatalf("%d families revoked", b.Revoked())
	}
}

func TestManyPresentersWithinTheGraceWindow(t *testing.T) {
	b := start(t, Behaviour{Grace: time.Minute})
	g := b.Issue("op", "alice")
	if got := b.present(presenters, g.RefreshToken); got[200] != presenters {
		t.Fatalf("the clients saw %v", got)
	}
	if got := b.countOutcomes(); got[OK] != 1 || got[ReuseGrace] != presenters-1 {
		t.Fatalf("the ledger says %v", got)
	}
	if got := b.state(g.Family).Serial; got != presenters+1 {
		t.Fatalf("serial %d", got)
	}
}

func TestNothingHappensBeforeItIsOnDisk(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	syncing, goOn := make(chan struct{}), make(chan struct{})
	b.record.(*journal).sync = func() error {
		syncing <- struct{}{}
		<-goOn
		return nil
	}
	client := goRefresh(b, g.RefreshToken)
	<-syncing // the arrival
	if b.state(g.Family).Redeemed != 0 {
		t.Fatal("the server acted before the arrival was on disk")
	}
	goOn <- struct{}{}
	<-syncing // the outcome
	if b.state(g.Family).Redeemed != 1 {
		t.Fatal("the outcome was written before there was one")
	}
	select {
	case a := <-client:
		t.Fatalf("answered %d before the outcome was on disk", a.status)
	default:
	}
	goOn <- struct{}{}
	if a := <-client; a.status != 200 {
		t.Fatalf("answered %d %v", a.status, a.err)
	}
}

func TestAServerThatCannotWriteItsLedgerDoesNothing(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	var healthy atomic.Bool
	b.record.(*journal).sync = func() error {
		if healthy.Load() {
			return nil
		}
		return errors.New("no space left")
	}
	if a := b.refresh(g.RefreshToken); a.err == nil {
		t.Fatalf("answered %d", a.status)
	}
	healthy.Store(true)
	if a := b.refresh(g.RefreshToken); a.err == nil {
		t.Fatal("the ledger is believed again after a failed write")
	}
	if b.state(g.Family).Redeemed != 0 {
		t.Fatal("the token was consumed without an entry")
	}
}

func TestOneFsyncServesAllWhoWait(t *testing.T) {
	j, err := openJournal(filepath.Join(t.TempDir(), LedgerName))
	if err != nil {
		t.Fatal(err)
	}
	var syncs atomic.Int32
	first, goOn := make(chan struct{}), make(chan struct{})
	j.sync = func() error {
		if syncs.Add(1) == 1 {
			close(first)
			<-goOn
		}
		return j.file.Sync()
	}
	var all sync.WaitGroup
	arrive := func() {
		if err := j.arrival(&Presentation{Kind: KindRefresh}); err != nil {
			t.Error(err)
		}
	}
	all.Go(arrive)
	<-first
	for range 50 {
		all.Go(arrive)
	}
	for j.numbered() < 51 {
		runtime.Gosched()
	}
	close(goOn)
	all.Wait()
	if got := syncs.Load(); got != 2 {
		t.Fatalf("%d fsyncs for 51 arrivals, want 2", got)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
}

func (j *journal) numbered() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

func TestTheLedgerNamesWhatAnAnswerCarries(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	answer := b.refresh(g.RefreshToken)
	if answer.status != 200 {
		t.Fatalf("answered %d %v", answer.status, answer.err)
	}
	ledger, err := b.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	p := ledger.Presentations(Filter{Outcome: OK})[0]
	next, bearer := secret.New(answer.body.Refresh), secret.New(answer.body.Access)
	if p.Issued != next.Fingerprint() || p.Bearer != bearer.Fingerprint() || p.Token == p.Issued {
		t.Errorf("the ledger names other tokens than were issued: %+v", p)
	}
	if p.Host == "" || p.Settled.Before(p.At) {
		t.Errorf("by way of %q, settled %v after it came", p.Host, p.Settled.Sub(p.At))
	}
	b.refresh(g.RefreshToken) // a second time: nothing is issued
	if ledger, err = b.Ledger(); err != nil || ledger.Presentations(Filter{Outcome: ReuseRevoked})[0].Issued != "" {
		t.Errorf("something was issued to a reused token, error %v", err)
	}
}

func TestATornLastLineIsIgnoredAndCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), LedgerName)
	whole := `{"n":1,"at":"2026-03-01T12:00:00Z","provider":"op","family":"f","serial":1,"kind":"refresh_token"}` + "\n" +
		`{"n":1,"outcome":"ok"}` + "\n"
	torn := `{"n":2,"provider":"` + strings.Repeat("x", 500) // longer than what will be written over it
	if err := os.WriteFile(path, []byte(whole+torn), 0o600); err != nil {
		t.Fatal(err)
	}
	ledger, err := OpenLedger(path)
	if err != nil || len(ledger.Presentations(Filter{Outcome: OK})) != 1 || len(ledger.PerToken()) != 1 {
		t.Fatalf("ledger %+v, error %v", ledger, err)
	}
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	next := &Presentation{Kind: KindRefresh}
	if err := j.arrival(next); err != nil || next.N != 2 {
		t.Fatalf("continued with n=%d, error %v", next.N, err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), "\n") {
		t.Fatalf("the torn line is still there: %v", err)
	}
	if ledger, err = OpenLedger(path); err != nil || len(ledger.Presentations(Filter{})) != 2 {
		t.Fatalf("ledger %+v, error %v", ledger, err)
	}
}

func TestALedgerWithADamagedLineIsRefused(t *testing.T) {
	for _, damaged := range []string{"{\n", `{"n":1,"outcome":"ok"}` + "\n"} {
		path := filepath.Join(t.TempDir(), LedgerName)
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLedger(path); err == nil {
			t.Errorf("%q was read", damaged)
		}
		if _, err := openJournal(path); err == nil {
			t.Errorf("%q was continued", damaged)
		}
	}
}

func TestATemporaryLedgerGoesWithTheServer(t *testing.T) {
	s, err := Start(Config{Providers: map[string]Behaviour{"op": {}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.LedgerPath()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(s.LedgerPath())); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the directory is left behind: %v", err)
	}
}

// BenchmarkStorm is one refresh each of many families at once, on the real disk.
func BenchmarkStorm(b *testing.B) {
	s, err := Start(Config{Dir: b.TempDir(), Providers: map[string]Behaviour{"op": {}}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if a := post(client, s.Endpoints("op"), refreshForm(s.Issue("op", "alice").RefreshToken)); a.status != 200 {
				b.Errorf("answered %d %v", a.status, a.err)
			}
		}
	})
}
