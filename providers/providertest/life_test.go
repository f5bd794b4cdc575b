package providertest

import (
	"encoding/json"
	"testing"
	"time"
)

// number is a field of the answer, or -1.
func (a answer) number(field string) int {
	var body map[string]any
	_ = json.Unmarshal([]byte(a.text), &body)
	if n, ok := body[field].(float64); ok {
		return int(n)
	}
	return -1
}

func TestAnIdleTokenEndsAndUseProlongsIt(t *testing.T) {
	b := start(t, Behaviour{Rotation: None, RefreshIdle: 10 * day, RefreshExpiryField: "refresh_token_timeout"})
	g := b.Issue("op", "alice")
	for range 5 {
		b.clock.Add(10*day - time.Second)
		if a := b.mustRefresh(g.RefreshToken); a.number("refresh_token_timeout") != 10*24*3600 {
			t.Fatalf("answered %s", a.text)
		}
	}
	b.clock.Add(10 * day)
	b.mustDie(g.RefreshToken)
}

func TestNoUseProlongsAnAbsoluteLife(t *testing.T) {
	b := start(t, Behaviour{
		RefreshIdle: 10 * day, RefreshAbsolute: 12 * day,
		RefreshExpiryField: "refresh_token_timeout", AbsoluteExpiryField: "authorization_expires_in",
	})
	g := b.Issue("op", "alice")
	if !g.RefreshExpiresAt.Equal(b.clock.Now().Add(10 * day)) {
		t.Fatalf("ends %s", g.RefreshExpiresAt)
	}
	b.clock.Add(9 * day)
	second := b.mustRefresh(g.RefreshToken)
	const threeDays = 3 * 24 * 3600
	if second.number("refresh_token_timeout") != threeDays || second.number("authorization_expires_in") != threeDays {
		t.Fatalf("answered %s", second.text)
	}
	b.clock.Add(3*day - time.Second)
	third := b.mustRefresh(second.body.Refresh)
	b.clock.Add(time.Second)
	b.mustDie(third.body.Refresh)
	again := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code) // a consent begins another
	if again.number("authorization_expires_in") != 12*24*3600 {
		t.Fatalf("answered %s", again.text)
	}
}

func TestExpiredMayBeSaidInOtherWords(t *testing.T) {
	b := start(t, Behaviour{RefreshTTL: day, DeadDescription: "used", ExpiredDescription: "expired"})
	g := b.Issue("op", "alice")
	if a := b.refresh("unheard-of"); a.body.About != "used" {
		t.Fatalf("answered %s", a.text)
	}
	b.clock.Add(day)
	if a := b.refresh(g.RefreshToken); a.body.About != "expired" {
		t.Fatalf("answered %s", a.text)
	}
}

func TestARefreshMayEndItsOwnFamilysBearersOnly(t *testing.T) {
	b := start(t, Behaviour{RefreshEndsBearers: true})
	one, two := b.Issue("op", "alice"), b.Issue("op", "alice")
	again := b.mustRefresh(one.RefreshToken)
	if b.Alive(one.Bearer) || !b.Alive(two.Bearer) || !b.Alive(again.body.Access) {
		t.Fatal("a refresh ends the earlier bearers of its own family")
	}
}
