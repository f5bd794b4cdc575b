package seal_test

import (
	"encoding/base64"
	"regexp"
	"testing"

	"github.com/regrant/regrant/seal"
)

// golden is a keys file of version 1 with the subject key 00 01 … 1f, and
// goldenSealed a value that was sealed under it. They must be read for ever.
const golden = `{
  "version": 1,
  "sealing": {
    "primaryKeyId": 381317274,
    "key": [
      {
        "keyData": {
          "typeUrl": "type.googleapis.com/google.crypto.tink.XAesGcmKey",
          "value": "EgIIDBog+NSOe74/7mQtRarsc8VYQ8Jno97uDNsDwS8v7Rv9KjE=",
          "keyMaterialType": "SYMMETRIC"
        },
        "status": "ENABLED",
        "keyId": 381317274,
        "outputPrefixType": "TINK"
      }
    ]
  },
  "subject": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
}`

const goldenSealed = `AQEWunCarh5grX0bayPySeshonqAzjn3edSF1iB5P5p4oxZk4fMYmWDuPuHO4MTawZ6gZYiJwr790roegIwuYkOtdK2pttzYYw==`

func goldenKeys(t testing.TB) *seal.Keys { return load(t, write(t, golden)) }

func TestValuesOfTheFirstReleaseStillOpen(t *testing.T) {
	sealed, err := base64.StdEncoding.DecodeString(goldenSealed)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, goldenKeys(t), sealed, "sealed by the first release")
}

// The expected values come from outside Go:
//
//	lp() { printf '%016x' ${#1} | xxd -r -p; printf %s "$1"; }
//	{ lp regrant/subject/v1; lp https://op.example.com; lp client; lp sub; } |
//	  openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f -binary | basenc --base64url
func TestNamesOfTheFirstReleaseStillHold(t *testing.T) {
	keys := goldenKeys(t)
	if got, want := keys.Subject("https://op.example.com", "client", "sub"), "5Ec8_yVGKw6gcE0r61TYi4FlOO3f2ukbtHKFX_rF7Ho"; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if got, want := keys.User("default", "u-1"), "SKGzMinjl_Kyk-VLh6-ptr7lA7F16b4sN8Qe7Si755g"; got != want {
		t.Errorf("user %s, want %s", got, want)
	}
}

func TestNamesDifferInEveryPartAndUnderEveryKey(t *testing.T) {
	keys := generate(t)
	seen := map[string]string{}
	for what, name := range map[string]string{
		"base":            keys.Subject("iss", "client", "sub"),
		"other issuer":    keys.Subject("isx", "client", "sub"),
		"other client":    keys.Subject("iss", "clienx", "sub"),
		"other sub":       keys.Subject("iss", "client", "sux"),
		"moved left":      keys.Subject("issc", "lient", "sub"),
		"moved right":     keys.Subject("iss", "clien", "tsub"),
		"swapped":         keys.Subject("client", "iss", "sub"),
		"no issuer":       keys.Subject("", "client", "sub"),
		"user":            keys.User("iss", "sub"),
		"user moved":      keys.User("isss", "ub"),
		"user as subject": keys.Subject("", "iss", "sub"),
		"other keys":      generate(t).Subject("iss", "client", "sub"),
	} {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(name) {
			t.Errorf("%s: %q is no KV key token", what, name)
		}
		if twin, taken := seen[name]; taken {
			t.Errorf("%s and %s have the same name", what, twin)
		}
		seen[name] = what
	}
}

func TestNobodyHasNoName(t *testing.T) {
	keys := generate(t)
	if keys.Subject("iss", "client", "") != "" || keys.User("default", "") != "" {
		t.Fatal("all who are nobody would be one")
	}
}
