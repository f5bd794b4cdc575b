package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// Subject names who logged in, as (issuer, client, sub), without saying who it
// is: HMAC-SHA256 in base64url without padding, 43 characters that suit a KV key
// or a subject token. The client belongs to it because a pairwise sub (OpenID
// Connect Core section 8.1) means nothing to another client.
//
// It is the same in every worker, for ever. An empty sub names nobody and gives
// the empty string: otherwise all logins that an issuer does not name would be one.
func (k *Keys) Subject(issuer, clientID, sub string) string {
	if sub == "" {
		return ""
	}
	return k.name("regrant/subject/v1", issuer, clientID, sub)
}

// User names an application's user within its tenant, in the form that Subject
// has. An empty user gives the empty string.
func (k *Keys) User(tenant, user string) string {
	if user == "" {
		return ""
	}
	return k.name("regrant/user/v1", tenant, user)
}

// name authenticates a purpose and its texts. The purpose keeps a Subject from
// ever equalling a User, the length prefixes keep ("ab","c") from ("a","bc").
func (k *Keys) name(purpose string, texts ...string) string {
	message := appendText(make([]byte, 0, 256), purpose)
	for _, text := range texts {
		message = appendText(message, text)
	}
	mac := hmac.New(sha256.New, []byte(k.subject.Reveal()))
	mac.Write(message)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
