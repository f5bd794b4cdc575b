package providertest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// oddities are what naive storage, logs, subjects and shells trip over.
const oddities = "a/../b*.>?#%00&=+;,'\"`\\<i>${x}{{y}}\u0000\u0001\t\r\n\u007f\u0085\u00a0\u202e\u2028\ufeff\ufffdÄßİı é\U0001f469\u200d\U0001f4bb "

// OddSub is a subject of 255 characters, the most that OpenID Connect Core, 2
// allows, of which hardly one is a letter. (It allows ASCII alone; hostile
// servers do not ask.) Log in as it, or let Fault.Sub name it.
var OddSub = func() string {
	odd := []rune(strings.Repeat(oddities, 255/len([]rune(oddities))+1))
	return string(odd[:255])
}()

const somebodyElse = "somebody-else"

// forger makes the same answer with an ID token that must not be believed. A
// provider without ID tokens answers the truth.
func (f *family) forger(now time.Time, body map[string]any) func(*Fault) (reply, error) {
	return func(fault *Fault) (reply, error) {
		answer := reply{status: 200, body: body}
		if !f.at.behaviour.IDTokens {
			return answer, nil
		}
		claims := f.idClaims(now)
		fault.spoil(claims, now)
		sign, err := f.at.forgedSigner(fault.Kind)
		if err == nil {
			body["id_token"], err = f.at.idToken(claims, sign)
		}
		return answer, err
	}
}

// spoil changes the claims that the fault lies about.
func (f *Fault) spoil(claims map[string]any, now time.Time) {
	switch f.Kind {
	case OtherSubject:
		claims["sub"] = f.otherSub()
	case WrongIssuer:
		claims["iss"] = wrongIssuer
	case WrongAudience:
		claims["aud"] = "somebody-elses-client"
	case WrongNonce:
		claims["nonce"] = opaque(22)
	case NoNonce:
		delete(claims, "nonce")
	case ExpiredID:
		claims["iat"], claims["exp"] = now.Add(-2*day).Unix(), now.Add(-day).Unix()
	}
}

func (f *Fault) otherSub() string {
	sub := f.Sub
	set(&sub, somebodyElse)
	return sub
}

// forgedSigner is how the kind signs; most sign well.
func (p *provider) forgedSigner(kind Kind) (signFunc, error) {
	switch kind {
	case ForeignKey:
		key, err := foreignKey(p.behaviour.Alg)
		return signer(key), err
	case AlgNone:
		return unsigned, nil
	case PublicKeyHMAC:
		key, err := p.publicKeyAsSecret()
		return signer(key), err
	}
	return p.sign, nil
}

// publicKeyAsSecret takes what everybody can read, the PEM of the public key, for
// a shared secret. Where no key is public it is a foreign secret.
func (p *provider) publicKeyAsSecret() (jose.JSONWebKey, error) {
	if p.behaviour.Alg == "HS256" {
		return foreignKey("HS256")
	}
	public, err := x509.MarshalPKIXPublicKey(p.key.Public().Key)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("forge with the public key: %w", err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return jose.JSONWebKey{Key: secret, KeyID: p.key.KeyID, Algorithm: "HS256"}, nil
}

// unsigned is RFC 7515, A.5.
func unsigned(typ string, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	header := fmt.Sprintf(`{"alg":"none","typ":%q}`, typ)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode(payload) + ".", nil
}
