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
	body   map[string]any
	// forged is an alternative to the body, for the faults that lie.
	forged func(Kind) (map[string]any, error)
}

func (a reply) send(w http.ResponseWriter) { a.sendBytes(w, a.encode()) }

func (a reply) sendBytes(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Cache-Control", "no-store") // RFC 6749, 5.1
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // whoever is gone is gone
}

func (a reply) encode() []byte {
	body, _ := json.Marshal(a.body) // strings and numbers only
	return body
}

func oauthError(status int, code, description string) reply {
	body := map[string]any{"error": code}
	if description != "" {
		body["error_description"] = description
	}
	return reply{status: status, body: body}
}

func (p *provider) deadToken() reply {
	b := p.behaviour
	return oauthError(b.DeadStatus, b.DeadCode, b.DeadDescription)
}

func (p *provider) unknownClient() reply {
	a := oauthError(http.StatusUnauthorized, "invalid_client", "Client authentication failed.")
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
	if !b.OmitRefreshToken || req.kind == KindCode {
		body["refresh_token"] = issued.refresh.text
		if b.RefreshExpiryField != "" && !issued.refresh.expires.IsZero() {
			body[b.RefreshExpiryField] = int(issued.refresh.expires.Sub(now).Seconds())
		}
	}
	if issued.id != "" {
		body["id_token"] = issued.id
	}
	if f.scope != "" {
		body["scope"] = f.scope
	}
	return reply{status: http.StatusOK, body: body, forged: f.forger(now, body)}
}

// forger makes the same answer with an ID token that must not be believed.
func (f *family) forger(now time.Time, body map[string]any) func(Kind) (map[string]any, error) {
	return func(kind Kind) (map[string]any, error) {
		if !f.at.behaviour.IDTokens {
			return body, nil
		}
		sub, sign := f.owner.sub, f.at.sign
		if kind == OtherSubject {
			sub = "somebody-else"
		} else {
			key, err := foreignKey(f.at.behaviour.Alg)
			if err != nil {
				return nil, err
			}
			sign = signer(key)
		}
		var err error
		body["id_token"], err = f.idToken(now, sub, sign)
		return body, err
	}
}
