package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/regrant/regrant/secret"
)

const (
	maxSubject = 255      // characters; OIDC Core, 2
	maxClaims  = 16 << 10 // bytes, names included
)

// protocolClaims are about the token or the session; all others are about the user.
var protocolClaims = set("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time",
	"at_hash", "c_hash", "s_hash", "azp", "acr", "amr", "sid")

// Claims are a provider's own claims, in JSON of one canonical form per value:
// no spaces, members sorted. They may hold anything about a person, so they print
// themselves redacted and leave through MarshalClear.
type Claims map[string]json.RawMessage

// LogValue, Format and MarshalJSON print no name and no value.
func (c Claims) LogValue() slog.Value         { return slog.StringValue(secret.Redacted) }
func (c Claims) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, secret.Redacted) }
func (c Claims) MarshalJSON() ([]byte, error) { return []byte(`"` + secret.Redacted + `"`), nil }

// MarshalClear returns the claims as a JSON object IN CLEAR TEXT, which
// json.Unmarshal reads back into Claims. Its only use is as the plaintext of a
// sealing function.
func (c Claims) MarshalClear() ([]byte, error) {
	return json.Marshal(map[string]json.RawMessage(c))
}

// claimSet is a JSON object of claims. Names are compared exactly, unlike by
// encoding/json with a struct, for which `SUB` is `sub` too.
type claimSet map[string]json.RawMessage

var errClaim = errors.New("a claim has the wrong type")

func parseClaims(text []byte) (claimSet, error) {
	var c claimSet
	if json.Unmarshal(text, &c) != nil || c == nil {
		return nil, errClaim
	}
	return c, nil
}

// text returns a string claim; empty where it is absent or null.
func (c claimSet) text(name string) (string, error) {
	raw, ok := c[name]
	if !ok {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", errClaim
	}
	return s, nil
}

// time returns a NumericDate (RFC 7519, 2); zero where it is absent or null.
func (c claimSet) time(name string) (time.Time, error) {
	raw, ok := c[name]
	if !ok || string(raw) == "null" {
		return time.Time{}, nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) != nil {
		return time.Time{}, errClaim
	}
	const year9999 = 253402300799
	s, err := n.Float64()
	if err != nil || math.IsNaN(s) || math.Abs(s) > year9999 {
		return time.Time{}, errClaim
	}
	return time.Unix(int64(s), 0), nil
}

// audience returns `aud`, which is a string or a list of strings.
func (c claimSet) audience() ([]string, error) {
	if one, err := c.text("aud"); err == nil {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(c["aud"], &list) != nil {
		return nil, errClaim
	}
	return list, nil
}

// subject returns `sub`, which may hold any character but the one that
// encoding/json puts in place of half a surrogate pair and of bytes that are no
// UTF-8: two subjects that differ there would become one.
func (c claimSet) subject() (string, error) {
	sub, err := c.text("sub")
	if err != nil || utf8.RuneCountInString(sub) > maxSubject || strings.ContainsRune(sub, utf8.RuneError) {
		return "", errClaim
	}
	return sub, nil
}

// custom returns the claims about the user; true where they are too many.
func (c claimSet) custom() (Claims, bool) {
	own, size := Claims{}, 0
	for name, raw := range c {
		if protocolClaims[name] {
			continue
		}
		text, err := canonical(raw)
		if err != nil {
			return nil, true
		}
		if size += len(name) + len(text); size > maxClaims {
			return nil, true
		}
		own[name] = text
	}
	return own, false
}

// canonical rewrites a JSON value so that equal values are equal bytes; numbers
// keep their spelling.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
