package providertest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// faults lists every kind that ends a request, and what its client must see.
var faults = []struct {
	fault Fault
	seen  func(answer) bool
}{
	{Fault{Kind: Reset}, func(a answer) bool { return errors.Is(a.err, syscall.ECONNRESET) }},
	{Fault{Kind: CloseNoReply}, func(a answer) bool { return errors.Is(a.err, io.EOF) }},
	{Fault{Kind: Status500}, func(a answer) bool { return a.status == 500 && a.body.Error == "" }},
	{Fault{Kind: Status500, Status: 503, RetryAfter: "9"}, func(a answer) bool {
		return a.status == 503 && a.header.Get("Retry-After") == "9"
	}},
	{Fault{Kind: Status429, RetryAfter: "7"}, func(a answer) bool {
		return a.status == 429 && a.header.Get("Retry-After") == "7"
	}},
	{Fault{Kind: ErrorReply, Status: 401, Code: "invalid_client"}, func(a answer) bool {
		return a.status == 401 && a.body.Error == "invalid_client"
	}},
	{Fault{Kind: Truncate}, func(a answer) bool { return a.status == 200 && errors.Is(a.err, io.ErrUnexpectedEOF) }},
	{Fault{Kind: Garbage}, func(a answer) bool { return a.status == 200 && strings.Contains(a.text, "<html>") }},
	{Fault{Kind: Redirect, Location: "http://127.0.0.1:1/x"}, func(a answer) bool {
		return a.status == 307 && a.header.Get("Location") == "http://127.0.0.1:1/x"
	}},
}

func TestFaultsBeforeConsumptionLeaveTheTokenGood(t *testing.T) {
	for _, each := range faults {
		t.Run(each.fault.String(), func(t *testing.T) {
			b := start(t, Behaviour{})
			g := b.Issue("op", "alice")
			b.Script("op", each.fault)
			if a := b.refresh(g.RefreshToken); !each.seen(a) {
				t.Fatalf("the client saw %d %s %v", a.status, a.text, a.err)
			}
			b.mustRefresh(g.RefreshToken)
			b.outcomes(Unprocessed, OK)
		})
	}
}

func TestFaultsAfterConsumptionHaveSpentTheToken(t *testing.T) {
	for _, each := range faults {
		each.fault.When = After
		t.Run(each.fault.String(), func(t *testing.T) {
			b := start(t, Behaviour{})
			g := b.Issue("op", "alice")
			b.Script("op", each.fault)
			if a := b.refresh(g.RefreshToken); !each.seen(a) {
				t.Fatalf("the client saw %d %s %v", a.status, a.text, a.err)
			}
			b.mustDie(g.RefreshToken)
			b.outcomes(OK, ReuseRevoked)
		})
	}
}

func TestHangEndsWithItsHold(t *testing.T) {
	for when, want := range map[When]Outcome{Before: Unprocessed, After: OK} {
		t.Run(when.String(), func(t *testing.T) {
			b := start(t, Behaviour{})
			g := b.Issue("op", "alice")
			hold, arrived := make(chan struct{}), make(chan Presentation)
			b.Script("op", Fault{When: when, Kind: Hang, Hold: hold, Arrived: arrived})
			client := goRefresh(b, g.RefreshToken)
			<-arrived
			close(hold)
			if a := <-client; !errors.Is(a.err, io.EOF) {
				t.Fatalf("the client saw %d %v", a.status, a.err)
			}
			b.outcomes(want)
		})
	}
}

func TestHangEndsWithTheServer(t *testing.T) {
	b := start(t, Behaviour{})
	arrived := make(chan Presentation)
	b.Script("op", Fault{Kind: Hang, Arrived: arrived}, Fault{When: After, Hold: make(chan struct{}), Arrived: arrived})
	one := goRefresh(b, b.Issue("op", "alice").RefreshToken)
	<-arrived
	two := goRefresh(b, b.Issue("op", "bob").RefreshToken)
	<-arrived
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatalf("closed again: %v", err)
	}
	<-one
	<-two
	b.outcomes(Unprocessed, OK)
}

func TestARequestIsCarriedOutAlsoWhenItsClientIsGone(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	hold, arrived := make(chan struct{}), make(chan Presentation)
	b.Script("op", Fault{When: Before, Kind: Delay, Hold: hold, Arrived: arrived})
	ctx, giveUp := context.WithCancel(t.Context())
	client := goRefreshContext(ctx, b, g.RefreshToken)
	seen := <-arrived
	if seen.Outcome != Open || seen.Serial != 1 || seen.Family != g.Family || b.state(g.Family).Redeemed != 0 {
		t.Fatalf("before consumption: %+v, %+v", seen, b.state(g.Family))
	}
	b.outcomes(Open) // the arrival is on disk while the request waits
	giveUp()
	if a := <-client; !errors.Is(a.err, context.Canceled) {
		t.Fatalf("the client saw %d %v", a.status, a.err)
	}
	close(hold)
	if err := b.Close(); err != nil { // waits for the handler
		t.Fatal(err)
	}
	b.outcomes(OK)
}

func TestAnAnswerHeldAfterConsumptionArrivesLate(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	hold, arrived := make(chan struct{}), make(chan Presentation)
	b.Script("op", Fault{When: After, Kind: Delay, Hold: hold, Arrived: arrived})
	client := goRefresh(b, g.RefreshToken)
	if seen := <-arrived; seen.Outcome != OK || b.state(g.Family).Redeemed != 1 {
		t.Fatalf("after consumption: %+v, %+v", seen, b.state(g.Family))
	}
	b.outcomes(OK) // the outcome is on disk while the answer waits
	close(hold)
	if a := <-client; a.status != 200 || !b.Alive(a.body.Access) {
		t.Fatalf("the late answer is %d %v", a.status, a.err)
	}
}

func TestHangEndsWhenTheClientGivesUp(t *testing.T) {
	b := start(t, Behaviour{})
	arrived := make(chan Presentation)
	b.Script("op", Fault{When: After, Kind: Hang, Arrived: arrived})
	ctx, giveUp := context.WithCancel(t.Context())
	client := goRefreshContext(ctx, b, b.Issue("op", "alice").RefreshToken)
	<-arrived
	giveUp()
	<-client
	b.requests.Wait() // nothing else ends the handler
	b.outcomes(OK)
}

func TestTheProvidersDelayComesAfterConsumption(t *testing.T) {
	b := start(t, Behaviour{Delay: time.Hour})
	g := b.Issue("op", "alice")
	client := goRefresh(b, g.RefreshToken)
	for b.state(g.Family).Redeemed == 0 {
		runtime.Gosched()
	}
	select {
	case a := <-client:
		t.Fatalf("answered %d %v at once", a.status, a.err)
	default:
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	<-client
	b.outcomes(OK)
}

func TestFaultsAreTakenInOrderAndByFamily(t *testing.T) {
	b := start(t, Behaviour{})
	one, two := b.Issue("op", "alice"), b.Issue("op", "bob")
	b.Script("op", Fault{Kind: Status500, Family: two.Family}, Fault{Kind: Status429})
	if a := b.refresh(one.RefreshToken); a.status != 429 {
		t.Fatalf("the first family met %d", a.status)
	}
	b.mustRefresh(one.RefreshToken)
	if a := b.refresh(two.RefreshToken); a.status != 500 || b.Scripted("op") != 0 {
		t.Fatalf("the second family met %d, %d faults left", a.status, b.Scripted("op"))
	}
	ledger, err := b.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if p := ledger.Presentations(Filter{Family: two.Family}); len(p) != 1 || p[0].Fault != "before 500" {
		t.Fatalf("the ledger says %+v", p)
	}
}

func TestFollowingARedirectIsInTheLedger(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	b.Script("op", Fault{Kind: Redirect})
	b.http.CheckRedirect = nil // as the default client, which posts again after a 307
	if a := b.refresh(g.RefreshToken); a.status != 400 {
		t.Fatalf("answered %d %v", a.status, a.err)
	}
	ledger, err := b.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if most, times := ledger.MaxPerToken(); times != 2 || most != (TokenKey{g.Family, 1}) {
		t.Fatalf("%+v presented %d times, want twice", most, times)
	}
	if b.state(g.Family).Redeemed != 0 {
		t.Fatal("a redirect consumed the token")
	}
}

func TestForgedIDTokens(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true, Alg: "ES256"})
	g := b.Issue("op", "alice")
	b.Script("op", Fault{When: After, Kind: OtherSubject}, Fault{When: After, Kind: ForeignKey})
	second := b.mustRefresh(g.RefreshToken)
	if claims := b.claims(second.body.ID); claims.Subject == "alice" {
		t.Fatal("the ID token is still alice's")
	}
	third := b.mustRefresh(second.body.Refresh)
	parsed, err := jwt.ParseSigned(third.body.ID, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	key, err := ecKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Claims(key.Public(), &claims); err == nil {
		t.Fatal("the provider's key verifies a foreign signature")
	}
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil || claims.Subject != "alice" {
		t.Fatalf("claims %+v, error %v", claims, err)
	}
}

func goRefresh(b *bench, token string) <-chan answer {
	return goRefreshContext(b.t.Context(), b, token)
}

func goRefreshContext(ctx context.Context, b *bench, token string) <-chan answer {
	done := make(chan answer, 1)
	go func() { done <- postContext(ctx, b.http, b.Endpoints("op"), refreshForm(token)) }()
	return done
}
