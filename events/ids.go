package events

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// idBytes is how much of a SHA-256 names something: 16 bytes, 22 characters.
const idBytes = 16

// OutputID is the id of the number-th event of a link. Publishing an outbox
// entry again therefore repeats the id, and the broker drops the repetition.
func OutputID(a Address, number uint64) string {
	return digest("output", a.Tenant, a.Provider, a.Link, strconv.FormatUint(number, 10))
}

// TokenExpiredMsgID is the message id of a report. It leaves out who reports, so
// that within the window the broker stores one of a storm's reports. generation
// is used where it is known (not 0), else fingerprint.
func TokenExpiredMsgID(a Address, generation uint64, fingerprint string, r Reason) string {
	if generation != 0 {
		return digest("expired-generation", a.Tenant, a.Provider, a.Link, strconv.FormatUint(generation, 10), string(r))
	}
	return digest("expired-fingerprint", a.Tenant, a.Provider, a.Link, fingerprint, string(r))
}

// InputMsgID is the message id of every other input: source and id together are
// what CloudEvents calls unique.
func InputMsgID(source, id string) string { return digest("input", source, id) }

// Fingerprint names a bearer without revealing it: the first 16 bytes of its
// SHA-256 in base64url without padding. Empty for an empty bearer.
func Fingerprint(bearer string) string {
	if bearer == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(bearer))
	return base64.RawURLEncoding.EncodeToString(sum[:idBytes])
}

// digest hashes parts, each after its length: ("ab","c") and ("a","bc") differ.
// The first part keeps the kinds of id apart.
func digest(parts ...string) string {
	var buf []byte
	for _, p := range parts {
		buf = binary.AppendUvarint(buf, uint64(len(p)))
		buf = append(buf, p...)
	}
	sum := sha256.Sum256(buf)
	return base64.RawURLEncoding.EncodeToString(sum[:idBytes])
}
