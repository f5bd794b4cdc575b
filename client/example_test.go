package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

// connected stands for the client that a service makes once, at its start.
var connected *client.Client

func Example() {
	ctx := context.Background()
	c, err := client.New(ctx, client.Config{URL: "nats://127.0.0.1:4222", Creds: "shop.creds", Name: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()

	bank := c.Link("op", "01JQ8ZC6T2M5X9V3K7N4R0WHBD").Client() // an *http.Client; keep it
	resp, err := bank.Get("https://api.bank.example/accounts")
	var why *client.Error
	switch {
	case errors.Is(err, client.ErrConsentRequired) && errors.As(err, &why):
		fmt.Printf("please log in to %q again\n", why.Nickname)
	case err != nil:
		fmt.Println(err)
	default:
		defer resp.Body.Close()
		fmt.Println(resp.Status)
	}
}

func ExampleNew() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // how long to try
	defer cancel()
	c, err := client.New(ctx, client.Config{
		URL:    "nats://nats-1:4222,nats://nats-2:4222",
		Creds:  "shop.creds",
		Tenant: "payroll",
		Name:   "shop",
		Log:    slog.Default(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(context.Background()) }()
}

// A transport of one's own below, such as one with timeouts or tracing.
func ExampleLink_Transport() {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.ResponseHeaderTimeout = 20 * time.Second
	bank := &http.Client{
		Transport: connected.Link("op", "L1").Transport(base),
		Timeout:   30 * time.Second, // for both tries together
	}
	resp, err := bank.Get("https://api.bank.example/accounts")
	if err == nil {
		defer resp.Body.Close()
	}
}

// For code that sets the header itself.
func ExampleLink_Token() {
	t, err := connected.Link("op", "L1").Token(context.Background())
	switch {
	case errors.Is(err, client.ErrConsentRequired), errors.Is(err, client.ErrReplaced), errors.Is(err, client.ErrRevoked):
		fmt.Println("stop calling for this link:", err)
	case errors.Is(err, client.ErrUncertain), errors.Is(err, client.ErrSuspended), errors.Is(err, client.ErrUnavailable):
		fmt.Println("try again later:", err)
	case err == nil:
		fmt.Println("generation", t.Generation, "is", len(t.Bearer.Reveal()), "bytes long")
	}
}

// For code that makes its requests over something else than net/http: say what was
// refused, and go on with what comes.
func ExampleLink_Refused() {
	ctx, link := context.Background(), connected.Link("mail", "L1")
	t, err := link.Token(ctx)
	for try := 0; err == nil && try < 2; try++ {
		if imapLogin(t.Bearer.Reveal()) {
			return
		}
		t, err = link.Refused(ctx, t, "invalid_token")
	}
	fmt.Println(err)
}

func imapLogin(string) bool { return true }

// For libraries that take an oauth2.TokenSource.
func ExampleLink_TokenSource() {
	ctx := context.Background()
	hc := oauth2.NewClient(ctx, connected.Link("op", "L1").TokenSource(ctx))
	resp, err := hc.Get("https://api.bank.example/accounts") // a 401 is the caller's to notice: see Refused
	if err == nil {
		defer resp.Body.Close()
	}
}

// Reacts to what becomes of links, wherever it left off when it was last stopped.
func ExampleClient_Subscribe() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop() // ends Subscribe once its handlers have finished
	err := connected.Subscribe(ctx, client.SubscribeConfig{Name: "prompts", Since: time.Now().Add(-24 * time.Hour)},
		client.On(func(ctx context.Context, d client.Delivery, e events.ConsentRequired) error {
			if d.Late {
				return nil // the link has moved on meanwhile
			}
			return sendMail(ctx, e.Link, "Please log in to "+e.Nickname+" again", d.Key.ID)
		}),
		client.On(func(ctx context.Context, d client.Delivery, e events.LinkReplaced) error {
			return sendMail(ctx, e.Link, fmt.Sprint("You can no longer reach ", e.AccountsLost), d.Key.ID)
		}),
	)
	if err != nil {
		fmt.Println(err)
	}
}

func sendMail(context.Context, string, string, string) error { return nil }

func ExampleOnAny() {
	audit := client.OnAny(func(_ context.Context, d client.Delivery) error {
		fmt.Println(d.StoredAt, d.Name, d.Link, d.Generation)
		return nil
	})
	_ = connected.Subscribe(context.Background(), client.SubscribeConfig{Name: "audit", FromSequence: 1}, audit)
}

// A service whose users log in with a password that a provider wants to see again.
func ExampleClient_ServeCredentials() {
	sessions, err := connected.ServeCredentials(context.Background(), "wso2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Stop()
	sessions.Keep("wso2", "L1", "ada", secret.New("what she typed")) // at login
	sessions.Forget("wso2", "L1")                                    // at logout
}

// A link is cheap to name, and each call for the same one shares its state.
func ExampleClient_Link() {
	link := connected.Link("op", "L1")
	fmt.Println(link.Address())
}

// A client for one link: its bearer on every request, and one more try where a 401
// means that the bearer was dead.
func ExampleLink_Client() {
	bank := connected.Link("op", "L1").Client()
	resp, err := bank.Get("https://api.bank.example/accounts")
	if err == nil {
		defer resp.Body.Close()
	}
}

func ExampleOn() {
	moved := client.On(func(_ context.Context, d client.Delivery, e events.LinkReplaced) error {
		if e.Reason == "" {
			return fmt.Errorf("%w: an event of no use to us", client.ErrPermanent) // no further try: a dead letter
		}
		return moveAccounts(e.Link, d.Key)
	})
	_ = connected.Subscribe(context.Background(), client.SubscribeConfig{Name: "moves"}, moved)
}

func moveAccounts(string, client.Key) error { return nil }

// What this process has handled lately is not handled again, though its
// acknowledgement was lost.
func ExampleSeenInMemory() {
	count := client.OnAny(func(context.Context, client.Delivery) error { return nil })
	cfg := client.SubscribeConfig{Name: "counts", Seen: client.SeenInMemory(10_000)}
	_ = connected.Subscribe(context.Background(), cfg, count)
}

// A subscription that nobody runs any more keeps its place until it is told to end.
func ExampleClient_Unsubscribe() {
	if err := connected.Unsubscribe(context.Background(), "prompts"); err != nil {
		fmt.Println(err)
	}
}

// For libraries that want a whole token. It holds no refresh token.
func ExampleToken_OAuth2() {
	ctx := context.Background()
	t, err := connected.Link("op", "L1").Token(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	hc := oauth2.NewClient(ctx, oauth2.StaticTokenSource(t.OAuth2()))
	hc.CloseIdleConnections()
}
