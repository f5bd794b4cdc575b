package providers

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// bearerEnds is when the bearer expires by the clock that the profile names.
// Zero: unknown, which is not "never".
func (f fields) bearerEnds(p *Profile, requestedAt time.Time) time.Time {
	switch p.BearerExpiry {
	case ExpiryJWT:
		if at := jwtEnds(f.text(p.bearerField()), requestedAt); !at.IsZero() {
			return at
		}
	case ExpiryFixed:
		return after(requestedAt, p.AccessTTLDefault)
	}
	if life, ok := f.seconds("expires_in"); ok {
		return requestedAt.Add(life)
	}
	return after(requestedAt, p.AccessTTLDefault)
}

func (f fields) refreshEnds(p *Profile, requestedAt time.Time) time.Time {
	for _, name := range p.RefreshExpiryFields {
		if life, ok := f.seconds(name); ok {
			return requestedAt.Add(life)
		}
	}
	return after(requestedAt, p.RefreshIdle)
}

// Complete fills in the clocks of a new consent that its answer leaves out and the
// profile knows. Hardly an answer says when the consent itself ends, and one that
// a service exchanged and staged says nothing but the bearer's life.
func (p Profile) Complete(a Answer) Answer {
	complete := func(at *time.Time, life time.Duration) {
		if at.IsZero() {
			*at = after(a.RequestedAt, life)
		}
	}
	complete(&a.ExpiresAt, p.AccessTTLDefault)
	complete(&a.RefreshExpiresAt, p.RefreshIdle)
	complete(&a.ConsentExpiresAt, p.RefreshAbsolute)
	return a
}

func after(from time.Time, life time.Duration) time.Time {
	if life <= 0 {
		return time.Time{}
	}
	return from.Add(life)
}

// jwtEnds reads `exp` without verifying anything: it only schedules. `exp` is on
// the provider's clock, so its distance from `iat` is applied to ours too and the
// earlier of both counts. Zero where the bearer is no JWT.
func jwtEnds(token string, requestedAt time.Time) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Exp float64 `json:"exp"`
		Iat float64 `json:"iat"`
	}
	const year9999 = 253402300799
	if err != nil || json.Unmarshal(payload, &c) != nil || !(c.Exp > 0 && c.Exp <= year9999) {
		return time.Time{}
	}
	ends := time.Unix(int64(c.Exp), 0)
	if c.Iat <= 0 || c.Iat >= c.Exp {
		return ends
	}
	ours := requestedAt.Add(ends.Sub(time.Unix(int64(c.Iat), 0)))
	if ours.Before(ends) {
		return ours
	}
	return ends
}
