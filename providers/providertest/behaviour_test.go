package providertest

import (
	"net/http"
	"testing"
	"time"
)

func TestZeroBehaviourRevokesTheFamilyWhenAUsedTokenComesBack(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	if second.body.Refresh == g.RefreshToken || second.body.Refresh == "" {
		t.Fatal("the refresh token was not rotated")
	}
	b.mustDie(g.RefreshToken)
	b.mustDie(second.body.Refresh)
	b.outcomes(OK, ReuseRevoked, Dead)
	if b.Alive(second.body.Access) || b.Alive(g.AccessToken) {
		t.Fatal("a bearer outlived its revoked family")
	}
	if state := b.state(g.Family); !state.Revoked || state.Killed || state.LiveBearers != 0 {
		t.Fatalf("state %+v", state)
	}
	if b.Revoked() != 1 || b.Revoked("op") != 1 {
		t.Fatalf("%d families revoked, want 1", b.Revoked())
	}
}

func TestRefuseLeavesTheFamilyAlone(t *testing.T) {
	b := start(t, Behaviour{OnReuse: Refuse})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.mustDie(g.RefreshToken)
	b.mustRefresh(second.body.Refresh)
	b.outcomes(OK, Refused, OK)
	if b.Revoked() != 0 {
		t.Fatal("a family was revoked")
	}
}

func TestNoRotationKeepsTheToken(t *testing.T) {
	b := start(t, Behaviour{Rotation: None})
	g := b.Issue("op", "alice")
	for range 3 {
		if a := b.mustRefresh(g.RefreshToken); a.body.Refresh != g.RefreshToken {
			t.Fatal("the refresh token changed")
		}
	}
	b.outcomes(OK, OK, OK)
	if got := b.state(g.Family).Serial; got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
}

func TestOmittedRefreshToken(t *testing.T) {
	b := start(t, Behaviour{Rotation: None, OmitRefreshToken: true})
	g := b.Issue("op", "alice")
	if a := b.mustRefresh(g.RefreshToken); a.body.Refresh != "" || a.body.Access == "" {
		t.Fatalf("answer %s", a.text)
	}
	b.mustRefresh(g.RefreshToken)
}

func TestReusableUntilExpiry(t *testing.T) {
	b := start(t, Behaviour{Rotation: ReusableUntilExpiry, RefreshTTL: time.Hour})
	g := b.Issue("op", "alice")
	b.clock.Add(30 * time.Minute)
	second := b.mustRefresh(g.RefreshToken)
	third := b.mustRefresh(g.RefreshToken)
	if second.body.Refresh == third.body.Refresh || second.body.Refresh == g.RefreshToken {
		t.Fatal("a refresh must give a new token each time")
	}
	b.clock.Add(30 * time.Minute) // the first token's end; not the others'
	b.mustDie(g.RefreshToken)
	b.mustRefresh(second.body.Refresh)
	b.mustRefresh(third.body.Refresh)
	b.outcomes(OK, OK, Dead, OK, OK)
}

func TestGraceGivesANewPairWithinTheWindowOnly(t *testing.T) {
	b := start(t, Behaviour{Grace: time.Minute})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(time.Minute)
	third := b.mustRefresh(g.RefreshToken)
	if third.body.Refresh == second.body.Refresh || third.body.Access == second.body.Access {
		t.Fatal("the replay did not get a new pair")
	}
	b.clock.Add(time.Nanosecond) // the window counts from the first redemption
	b.mustDie(g.RefreshToken)
	b.outcomes(OK, ReuseGrace, ReuseRevoked)
}

func TestGraceCoversOnlyTheImmediatelyPreviousToken(t *testing.T) {
	b := start(t, Behaviour{Grace: time.Minute})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.mustRefresh(second.body.Refresh)
	b.mustDie(g.RefreshToken)
	b.outcomes(OK, OK, ReuseRevoked)
}

func TestBothPairsOfAToleratedReplayWork(t *testing.T) {
	b := start(t, Behaviour{Grace: time.Minute})
	g := b.Issue("op", "alice")
	second, third := b.mustRefresh(g.RefreshToken), b.mustRefresh(g.RefreshToken)
	b.mustRefresh(second.body.Refresh)
	b.mustRefresh(third.body.Refresh)
	b.outcomes(OK, ReuseGrace, OK, OK)
}

func TestSamePairRepeatsTheFirstAnswer(t *testing.T) {
	b := start(t, Behaviour{Grace: time.Minute, SamePair: true, SingleActive: true, IDTokens: true, Alg: "ES256"})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(30 * time.Second)
	replay := b.mustRefresh(g.RefreshToken)
	if replay.body.Refresh != second.body.Refresh || replay.body.Access != second.body.Access || replay.body.ID != second.body.ID {
		t.Fatal("the replay got another pair")
	}
	if replay.body.Expires != 3570 {
		t.Fatalf("expires_in %d, want what is left of an hour: 3570", replay.body.Expires)
	}
	if !b.Alive(replay.body.Access) {
		t.Fatal("the bearer is dead")
	}
}

func TestOldTokenLivesUntilItsSuccessorIsUsed(t *testing.T) {
	for name, use := range map[string]func(*bench, answer){
		"bearer":        func(b *bench, a answer) { b.resource(a.body.Access) },
		"refresh token": func(b *bench, a answer) { b.mustRefresh(a.body.Refresh) },
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, Behaviour{UntilSuccessorUsed: true})
			g := b.Issue("op", "alice")
			b.resource(g.AccessToken) // a use of the token's own bearer is none of its successor's
			second := b.mustRefresh(g.RefreshToken)
			b.clock.Add(50 * time.Minute)
			b.mustRefresh(g.RefreshToken)
			use(b, second)
			b.mustDie(g.RefreshToken)
			if b.Revoked() != 1 {
				t.Fatal("the family was not revoked")
			}
		})
	}
}

func TestAnUnusedSuccessorIsBoundedByGrace(t *testing.T) {
	b := start(t, Behaviour{UntilSuccessorUsed: true, Grace: time.Hour})
	g := b.Issue("op", "alice")
	b.mustRefresh(g.RefreshToken)
	b.clock.Add(time.Hour)
	b.mustRefresh(g.RefreshToken)
	b.clock.Add(time.Second)
	b.mustDie(g.RefreshToken)
}

func TestADeadBearerIsNoUseOfTheSuccessor(t *testing.T) {
	b := start(t, Behaviour{UntilSuccessorUsed: true})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.Kill(g.Family)
	if a := b.resource(second.body.Access); a.status != http.StatusUnauthorized {
		t.Fatalf("resource answered %d", a.status)
	}
	b.mustRefresh(g.RefreshToken)
	b.outcomes(OK, ReuseGrace)
}

func TestSingleActiveKillsEarlierBearersOfTheSubject(t *testing.T) {
	b := start(t, Behaviour{SingleActive: true})
	phone, tablet, other := b.Issue("op", "alice"), b.Issue("op", "alice"), b.Issue("op", "bob")
	if b.Alive(phone.Bearer) || !b.Alive(tablet.Bearer) || !b.Alive(other.Bearer) {
		t.Fatal("one bearer per subject, the newest")
	}
	again := b.mustRefresh(phone.RefreshToken)
	if b.Alive(tablet.Bearer) || !b.Alive(again.body.Access) || !b.Alive(other.Bearer) {
		t.Fatal("a refresh must kill the subject's other bearers and nobody else's")
	}
}

func TestManyActiveIsTheDefault(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	if !b.Alive(g.Bearer) || !b.Alive(second.body.Access) {
		t.Fatal("a bearer died before its time")
	}
	b.clock.Add(time.Hour)
	if b.Alive(second.body.Access) {
		t.Fatal("a bearer outlived its time")
	}
	if state := b.state(g.Family); state.LiveBearers != 0 || state.Serial != 2 || state.Redeemed != 1 {
		t.Fatalf("state %+v", state)
	}
}

func TestKillAndKillGrant(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	if !b.Kill(g.Family) || b.Alive(g.Bearer) {
		t.Fatal("the bearer lives")
	}
	second := b.mustRefresh(g.RefreshToken)
	if !b.Alive(second.body.Access) {
		t.Fatal("a killed bearer must not kill the next")
	}
	if !b.KillGrant(g.Family) || b.Alive(second.body.Access) {
		t.Fatal("the grant lives")
	}
	b.mustDie(second.body.Refresh)
	b.outcomes(OK, Dead)
	if state := b.state(g.Family); state.Revoked || !state.Killed || b.Revoked() != 0 {
		t.Fatalf("a user's withdrawal counts as revoked for reuse: %+v", state)
	}
	if b.Kill("nobody") || b.KillGrant("nobody") {
		t.Fatal("a family that does not exist was killed")
	}
}

func TestDeadAnswerIsTheProvidersOwn(t *testing.T) {
	b := start(t, Behaviour{DeadStatus: 403, DeadCode: "gone_grant", DeadDescription: "No."})
	if a := b.refresh("unheard-of"); a.status != 403 || a.body.Error != "gone_grant" || a.body.About != "No." {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	b.outcomes(Refused)
}

func TestContradictionsAreRefused(t *testing.T) {
	for name, bad := range map[string]Behaviour{
		"omit while rotating": {OmitRefreshToken: true},
		"id without tokens":   {BearerID: true},
		"auth style":          {AuthStyle: "bsaic"},
		"alg":                 {Alg: "none"},
		"short HS256 secret":  {Alg: "HS256", ClientSecret: "short"},
		"short tokens":        {AccessLen: 4},
	} {
		s, err := Start(Config{Dir: t.TempDir(), Providers: map[string]Behaviour{"op": bad}})
		if err == nil {
			t.Errorf("%s: accepted", name)
			_ = s.Close()
		}
	}
	if _, err := Start(Config{}); err == nil {
		t.Error("a simulator without providers was started")
	}
}
