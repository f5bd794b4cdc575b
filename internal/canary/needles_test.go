package canary_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
)

// needles are the forms in which a secret would give itself away.
type needles map[string]string // form → what it is

// shortest is the length below which a part of a secret also occurs by chance.
const shortest = 12

// hide adds a secret: as it is, as base64 in each of the three alignments that
// it can have in a longer text, as hex, and escaped.
func (n needles) hide(what, secret string) {
	n.add(what, secret)
	n.add(what+", in hex", hex.EncodeToString([]byte(secret)))
	n.add(what+", in a URL", url.QueryEscape(secret))
	if quoted, err := json.Marshal(secret); err == nil {
		n.add(what+", in JSON", strings.Trim(string(quoted), `"`))
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			n.add(what+", in base64", aligned(encoding, secret, shift))
		}
	}
	if parts := strings.Split(secret, "."); len(parts) == 3 { // a JWT: its claims alone tell too much
		n.add(what+", its claims", parts[1])
		n.add(what+", its signature", parts[2])
	}
}

// aligned is the part of a base64 text that depends on the secret alone where
// shift bytes of something else precede it.
func aligned(e *base64.Encoding, secret string, shift int) string {
	skip := (3 - shift) % 3
	if len(secret) < skip {
		return ""
	}
	whole := (len(secret) - skip) / 3 * 3
	return e.EncodeToString([]byte(secret[skip : skip+whole]))
}

func (n needles) add(what, form string) {
	if len(form) >= shortest {
		n[form] = what
	}
}

// in names what of the needles a text holds.
func (n needles) in(text []byte) []string {
	var found []string
	for form, what := range n {
		if bytes.Contains(text, []byte(form)) {
			found = append(found, what)
		}
	}
	return found
}
