package links_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/secret"
)

const canary = "canary-91c4"

func tokens() links.Tokens {
	return links.Tokens{
		Access: secret.New(canary + "-access"), Refresh: secret.New(canary + "-refresh"), ID: secret.New(canary + "-id"),
		Type: "Bearer", Issuer: "https://" + canary + ".example", Subject: canary + "-sub",
	}
}

func TestTokensAreNeverPrinted(t *testing.T) {
	v := tokens()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
		fmt.Fprintf(&out, verb, v)
		fmt.Fprintf(&out, verb, &v)
		fmt.Fprintf(&out, verb, []links.Tokens{v})
		fmt.Fprintf(&out, verb, struct{ T links.Tokens }{v})
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "tokens", v, "pointer", &v, "error", fmt.Errorf("with %v", v))
	}
	for _, x := range []any{v, &v, map[string]any{"t": v}} {
		if err := json.NewEncoder(&out).Encode(x); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(out.String(), canary) {
		t.Errorf("printed: %s", out.String())
	}
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Error("nothing was printed at all: the test proves nothing")
	}
}

func TestTokensRoundTrip(t *testing.T) {
	data, err := tokens().MarshalClear()
	if err != nil {
		t.Fatal(err)
	}
	got, err := links.ParseTokens(data)
	if err != nil {
		t.Fatal(err)
	}
	want := tokens()
	if !got.Access.Equal(want.Access) || !got.Refresh.Equal(want.Refresh) || !got.ID.Equal(want.ID) ||
		got.Type != want.Type || got.Issuer != want.Issuer || got.Subject != want.Subject {
		t.Error("the token set was read back as another")
	}
}

func TestParseTokensDoesNotRepeatWhatItRead(t *testing.T) {
	for _, clear := range []string{canary, `{"access_token":["` + canary + `"]}`, ""} {
		if _, err := links.ParseTokens([]byte(clear)); !errors.Is(err, links.ErrRecord) || strings.Contains(err.Error(), canary) {
			t.Errorf("error %v", err)
		}
	}
}

// TestLinkIsPrintedByItsAddress: a link that ends up in a log line by accident
// says which it is, and nothing of what it holds.
func TestLinkIsPrintedByItsAddress(t *testing.T) {
	l := full()
	l.Sealed = []byte(canary)
	if got := fmt.Sprintf("%v %s", l, l); got != address.String()+" "+address.String() {
		t.Errorf("printed %s", got)
	}
}
