package client

import (
	"net/http"
	"testing"
)

func TestBearerError(t *testing.T) {
	for value, want := range map[string]string{
		``:                                    "",
		`Bearer`:                              "",
		`Bearer realm="x"`:                    "",
		`Bearer error="invalid_token"`:        "invalid_token",
		`bearer realm="a, error=b",error=c`:   "c",
		`Bearer error = "insufficient_scope"`: "insufficient_scope",
		`Basic error="nope", Bearer a="b\"", error="yes"`: "yes",
		`Negotiate YIIabc==, Bearer error=x`:              "x",
		`DPoP error="use_dpop_nonce", Bearer realm="y"`:   "",
		`Bearer error="unterminated`:                      "unterminated",
		`"Bearer" error=x`:                                "",
		`Bearer error_description="error=no", error="e"`:  "e",
		`=,,= Bearer ,, error=x`:                          "x",
	} {
		if got := bearerError(http.Header{"Www-Authenticate": {value}}); got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	two := http.Header{"Www-Authenticate": {`Basic realm="a"`, `Bearer error="invalid_token"`}}
	if got := bearerError(two); got != "invalid_token" {
		t.Errorf("in two headers: %q", got)
	}
}

// Whatever an API sends, the walk ends.
func FuzzBearerError(f *testing.F) {
	f.Add(`Bearer error="a\`)
	f.Add(`="`)
	f.Fuzz(func(_ *testing.T, value string) {
		bearerError(http.Header{"Www-Authenticate": {value}})
	})
}
