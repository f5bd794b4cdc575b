package providertest

import (
	"encoding/json"
	"net/http"
	"time"
)

// reply is an answer before it is sent, so that a fault can spoil it.
type reply struct {
	status int
	header map[string]string
	cookie string // Set-Cookie, if not empty
	text   string // a page to read; body is nil then
	body   map[string]any
	// forged is the same answer with a lie in it, for the faults that lie; nil:
	// this answer has nothing to lie about.
	forged func(*Fault) (reply, error)
}

func (a reply) send(w http.ResponseWriter) { a.sendBytes(w, a.encode()) }

func (a reply) sendBytes(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	if a.body == nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	if a.cookie != "" {
		w.Header().Set("Set-Cookie", a.cookie)
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Cache-Control", "no-store") // RFC 6749, 5.1
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // whoever is gone is gone
}

func (a reply) encode() []byte {
	if a.body == nil {
		return []byte(a.text)
	}
	body, _ := json.Marshal(a.body) // what came out of JSON, strings and numbers only
	return body
}

// page is for the user's eyes.
func page(status int, text string) reply { return reply{status: status, text: text + "\n"} }

func oauthError(status int, code, description string) reply {
	body := map[string]any{"error": code}
	if description != "" {
		body["error_description"] = description
	}
	return reply{status: status, body: body}
}

func (p *provider) deadToken(description string) reply {
	return oauthError(p.behaviour.DeadStatus, p.behaviour.DeadCode, description)
}

// phrase puts an answer of the token endpoint into the form that this provider's
// answers have.
func (p *provider) phrase(a reply) reply {
	_, refused := a.body["error"]
	if refused && p.behaviour.ErrorsAre200 {
		a.status, a.header = http.StatusOK, nil
	}
	if p.behaviour.OKField {
		a.body["ok"] = !refused
	}
	return a
}

func (p *provider) unknownClient() reply {
	a := oauthError(http.StatusUnauthorized, p.behaviour.ClientCode, "Client authentication failed.")
	if p.behaviour.AuthStyle == "basic" {
		a.header = map[string]string{"WWW-Authenticate": `Basic realm="` + p.name + `"`}
	}
	return a
}

// grantReply is the answer of RFC 6749, 5.1.
func (f *family) grantReply(now time.Time, req tokenRequest, issued *pair) reply {
	b := f.at.behaviour
	body := map[string]any{
		"access_token": issued.access, "token_type": "Bearer",
		"expires_in": int((b.AccessTTL - now.Sub(issued.issued)).Seconds()),
	}
	if f.shows(req.kind) {
		body["refresh_token"] = issued.refresh.text
		f.addEnds(now, issued.refresh, body)
	}
	if issued.id != "" {
		body["id_token"] = issued.id
	}
	if f.terms.Scope != "" {
		body["scope"] = f.terms.Scope
	}
	return reply{status: http.StatusOK, body: body, forged: f.forger(now, body)}
}

// shows says whether the answer to this kind of grant has a refresh token.
func (f *family) shows(kind string) bool {
	switch kind {
	case KindClient:
		return false // RFC 6749, 4.4.3
	case KindRefresh:
		return !f.at.behaviour.OmitRefreshToken
	}
	return !f.withheld
}

// addEnds says in seconds when the refresh token and the consent end.
func (f *family) addEnds(now time.Time, c *credential, body map[string]any) {
	b := f.at.behaviour
	token, consent := f.endsOf(c)
	if b.RefreshExpiryField != "" && !token.IsZero() {
		body[b.RefreshExpiryField] = int(token.Sub(now).Seconds())
	}
	if b.AbsoluteExpiryField != "" {
		body[b.AbsoluteExpiryField] = int(consent.Sub(now).Seconds())
	}
}
