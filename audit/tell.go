package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// Teller takes entries of what workers do. Tell holds nobody up, whatever becomes of the
// entry, and may be called from many goroutines.
type Teller interface {
	Tell(e Entry)
}

// DerivedID is the id of an entry about what an event or an attempt led to: whoever does
// it again after a crash tells it under the same id, and within the stream's window it is
// kept once.
func (e Entry) DerivedID() string {
	h := sha256.New()
	for _, part := range []string{string(e.Action), e.Cause, e.Outcome, e.Tenant, e.Provider, e.Link} {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		_, _ = h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
