package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/regrant/regrant/secret"
)

const canary = "canary-7f3a"

func TestNoVerbOrEncoderPrintsTheClearText(t *testing.T) {
	v := secret.New(canary)
	type holder struct {
		V secret.Value
		P *secret.Value
		u secret.Value // fmt calls no methods on what is not exported
	}
	h := holder{V: v, P: &v, u: v}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb, v)
		fmt.Fprintf(&out, verb, &v)
		fmt.Fprintf(&out, verb, h)
		fmt.Fprintf(&out, verb, &h)
		fmt.Fprintf(&out, verb, []secret.Value{v})
		fmt.Fprintf(&out, verb, map[string]secret.Value{"k": v})
	}
	for _, log := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil)),
	} {
		log.Info("m", "v", v, "p", &v, "h", h, "err", fmt.Errorf("wrap %v", v))
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"v": v, "h": h}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), canary) {
		t.Fatalf("the clear text was printed: %s", out.String())
	}
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Fatal("nothing was printed at all: the test proves nothing")
	}
}

func TestFingerprintIsSixteenBytesOfSHA256(t *testing.T) {
	// printf abc | sha256sum | first 16 bytes | base64url
	if got := secret.New("abc").Fingerprint(); got != "ungWv48Bz-pBQUDeXa4iIw" {
		t.Fatalf("fingerprint of abc is %q", got)
	}
	if got := (secret.Value{}).Fingerprint(); got != "" {
		t.Fatalf("fingerprint of nothing is %q", got)
	}
}

func TestEqual(t *testing.T) {
	if !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) || secret.New("a").Equal(secret.Value{}) {
		t.Fatal("Equal disagrees with equality")
	}
}
