package providers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/regrant/regrant/secret"
)

// fields are the members of a token endpoint's answer, as sent. Unlike x/oauth2's
// Token they tell an omitted refresh token from a returned one.
type fields map[string]any

// parse reads the body of a reply; false where it is no whole object. A query
// string whose end only the closing of the connection marks is not trusted: a cut
// one looks like a whole one with a shorter refresh token.
func parse(r *reply) (fields, bool) {
	if !r.complete {
		return nil, false
	}
	if r.form() {
		f, ok := parseForm(r.body)
		return f, ok && !r.closed
	}
	return parseJSON(r.body)
}

func parseJSON(body []byte) (fields, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var f fields
	if d.Decode(&f) != nil || f == nil {
		return nil, false
	}
	_, err := d.Token()
	return f, err == io.EOF
}

func parseForm(body []byte) (fields, bool) {
	values, err := url.ParseQuery(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, false
	}
	f := fields{}
	for name := range values {
		f[name] = values.Get(name)
	}
	return f, true
}

func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

// usable says whether the answer can be committed: the bearer is there, and no
// token is malformed.
func (f fields) usable(p *Profile) bool {
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if f[name] != nil && (f.text(name) != f[name] || !visible(f.text(name))) {
			return false
		}
	}
	return f.text(p.bearerField()) != ""
}

func (p *Profile) bearerField() string {
	if p.Bearer == BearerID {
		return "id_token"
	}
	return "access_token"
}

// token returns a token, or nothing where it is damaged.
func (f fields) token(name string) secret.Value {
	if text := f.text(name); visible(text) {
		return secret.New(text)
	}
	return secret.Value{}
}

// visible: tokens are printable ASCII (RFC 6749, A.12). What is not has been
// damaged on the way, or would break the header that services put it in.
func visible(token string) bool {
	for i := range len(token) {
		if token[i] < 0x20 || token[i] > 0x7e {
			return false
		}
	}
	return true
}

// seconds reads a duration; false where it is absent or no sensible life.
func (f fields) seconds(name string) (time.Duration, bool) {
	var text string
	switch v := f[name].(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	const century = 100 * 365 * 24 * time.Hour
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s > 0 && s <= century.Seconds()) {
		return 0, false
	}
	return time.Duration(s * float64(time.Second)), true
}

// scopes reads `scope`; false where it was left out. Some providers send a list.
func (f fields) scopes() ([]string, bool) {
	switch v := f["scope"].(type) {
	case string:
		return strings.Fields(v), true
	case []any:
		list := []string{}
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, s)
			}
		}
		return list, true
	}
	return nil, false
}

// answer gathers the tokens and counts their clocks from the request.
func (f fields) answer(p *Profile, requestedAt time.Time) *Answer {
	a := &Answer{
		AccessToken: f.token("access_token"), RefreshToken: f.token("refresh_token"),
		IDToken: f.token("id_token"), TokenType: f.text("token_type"), RequestedAt: requestedAt,
	}
	a.Scopes, a.ScopesGiven = f.scopes()
	a.ExpiresAt = f.bearerEnds(p, requestedAt)
	a.RefreshExpiresAt = f.refreshEnds(p, requestedAt)
	if life, ok := f.seconds(p.AbsoluteExpiryField); ok {
		a.ConsentExpiresAt = requestedAt.Add(life)
	}
	return a
}
