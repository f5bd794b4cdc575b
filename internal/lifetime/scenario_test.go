package lifetime

import (
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// Show 1 of issue 4: each of the five systems lives for 60 days and goes through its
// whole column of the requirements.

// scenario runs 60 days of one link of anna's at a system.
func scenario(t *testing.T, name string, live func(t *testing.T, w *World, anna *User, a events.Address), changes ...func(*System)) {
	t.Helper()
	Run(t, Options{Systems: map[string]System{name: Named(t, name, changes...)}}, func(t *testing.T, w *World) {
		began := time.Now()
		anna := w.User("anna")
		back, a := anna.Travel(Trip{Provider: name, As: "anna-1", Nickname: "Joint account", Options: accounts("a-1", "a-2")})
		w.Report(back)
		w.Report(back) // the callback service tries twice; the code is one-time (R25)
		w.Pass(time.Second)
		wantNames(t, w, a, events.NameLinkCreated)
		live(t, w, anna, a)
		if lived := time.Since(began); lived > 60*Day {
			t.Fatalf("the scenario took %.1f days", days(lived))
		}
		w.Pass(60*Day - time.Since(began))
		checkWorld(t, w)
	})
}

// checkWorld: no reuse, nothing given up, nothing left over, nothing leaked.
func checkWorld(t *testing.T, w *World) {
	t.Helper()
	if n := w.Sim.Revoked(); n > 0 {
		t.Errorf("%d grants were revoked for reuse", n)
	}
	if n := w.Unsettled(); n > 0 {
		t.Errorf("%d messages are not settled", n)
	}
	for _, letter := range w.DeadLetters() {
		t.Errorf("dead letter: %+v", letter)
	}
	for _, leak := range w.Leaks("anna-1", "anna-2", password) {
		t.Error(leak)
	}
}

// use calls with all services at once, every so often, for a while.
func use(w *World, every, d time.Duration, services ...*Service) {
	for end := time.Now().Add(d); time.Now().Before(end); w.Pass(every) {
		together(services)
	}
}

// wantHelped fails if a service got nowhere so far.
func wantHelped(t *testing.T, services ...*Service) {
	t.Helper()
	for _, s := range services {
		if s.Failed > 0 {
			t.Errorf("a service got nowhere %d of %d times", s.Failed, s.Calls)
		}
	}
}

func TestAkoyaSixtyDays(t *testing.T) {
	scenario(t, "akoya", func(t *testing.T, w *World, anna *User, a events.Address) {
		one, other := w.Service(a), w.Service(a)
		use(w, 7*time.Hour, 20*Day, one, other)
		wantHelped(t, one, other)
		if n := w.Refreshes("akoya"); n < 14 || n > 20 {
			t.Errorf("%d refreshes of a bearer of a day in 20 days", n)
		}

		// Day 20, a reconsent: accounts change, sub stays, all earlier ID tokens stop.
		mustCall(t, one)
		held := one.Held().Bearer
		anna.Consent(Trip{Provider: "akoya", Link: a, As: "anna-1", Options: accounts("a-2", "a-3")})
		again := Newest[events.TokenRotated](w, a)
		if again.Comparison != events.ComparisonSame || len(again.AccountsGained) != 1 || len(again.AccountsLost) != 1 || again.PreviousStillValid {
			t.Errorf("the reconsent: %+v", again)
		}
		if w.Get("akoya", held) != 401 {
			t.Error("an earlier ID token outlived the reconsent")
		}

		// Day 30, somebody else's accounts: anna is alerted and says no.
		use(w, 12*time.Hour, 10*Day, one, other)
		anna.Consent(Trip{Provider: "akoya", Link: a, As: "anna-2", Options: accounts("b-1")})
		held2 := Newest[events.LinkReplacementHeld](w, a)
		w.Pass(Day)
		w.Report(events.LinkReplacementDecided{Address: a, Consent: held2.Consent, Decision: events.DecisionReject})
		use(w, 12*time.Hour, 5*Day, one, other)
		wantHelped(t, one, other)

		// Day 36, consent withdrawn at the provider's site, without notice: one
		// presentation, one prompt, silence until day 40.
		before := w.Refreshes("akoya")
		w.Sim.RevokeAtSite("akoya", "anna-1")
		for range 4 {
			one.Call()
			w.Pass(Day)
		}
		wantRefreshes(t, w, a, before+1)
		if said := w.Told(a, events.NameConsentRequired); len(said) != 1 {
			t.Errorf("said %q", w.Names(a))
		}
		anna.Consent(Trip{Provider: "akoya", Link: a, As: "anna-1"})
		mustCall(t, one)

		// Day 50, one link per login and application: bert links anna's login.
		w.Pass(10 * Day)
		theirs := w.User("bert").Consent(Trip{Provider: "akoya", As: "anna-1"})
		if w.Link(a).Status != links.Superseded || w.Link(theirs).Status != links.Active {
			t.Errorf("anna's link is %s, bert's %s", w.Link(a).Status, w.Link(theirs).Status)
		}
		spared(t, w, "akoya")
	})
}

// spared fails if a refresh token or a code was presented more than once.
func spared(t *testing.T, w *World, provider string) {
	t.Helper()
	seen := map[providertest.TokenKey]int{}
	for _, p := range w.Ledger(providertest.Filter{Provider: provider}) {
		key := providertest.TokenKey{Family: p.Family, Serial: p.Serial}
		if seen[key]++; p.Family != "" && seen[key] > 1 {
			t.Errorf("credential %d of %s was presented %d times", p.Serial, p.Family, seen[key])
		}
	}
}

func TestAstraSixtyDays(t *testing.T) {
	scenario(t, "astra", func(t *testing.T, w *World, anna *User, a events.Address) {
		one, deaf := w.Service(a), w.Service(a)
		deaf.Deaf = true
		use(w, time.Hour, 2*Day, one, deaf)
		if n := w.Refreshes("astra"); n < 22 || n > 24 {
			t.Errorf("%d refreshes of a bearer of two hours in two days", n)
		}
		for _, told := range w.Told(a, events.NameTokenRotated) {
			if Read[events.TokenRotated](w, told).PreviousStillValid {
				t.Fatal("one access token at a time, and previous_still_valid: true")
			}
		}

		// Nobody uses the link until day 32: renewed weekly, of ten days.
		before := w.Refreshes("astra")
		w.Pass(30 * Day)
		if n := w.Refreshes("astra") - before; n < 4 || n > 5 {
			t.Errorf("kept alive %d times in 30 days", n)
		}
		mustCall(t, deaf) // whose bearer is many generations old
		mustCall(t, one)

		// An answer is lost: the old refresh token is presented again.
		expire(w, a)
		before = w.Refreshes("astra")
		w.Sim.Script("astra", providertest.Fault{When: providertest.After, Kind: providertest.CloseNoReply})
		mustCall(t, one)
		wantRefreshes(t, w, a, before+2)
		wantHelped(t, one, deaf)

		// Day 32: codes live for several minutes, and this user's browser is slow.
		back, _ := anna.Travel(Trip{Provider: "astra", Link: a, As: "anna-1"})
		w.Pass(6 * time.Minute)
		w.Report(back)
		w.Pass(time.Minute)
		if said := Newest[events.ConsentFailed](w, a); said.Reason != events.ConsentCodeRejected {
			t.Errorf("a code that had ended: %s", said.Reason)
		}
		mustCall(t, one) // as before

		// No worker for eleven days: the refresh token has ended, and is not presented.
		w.StopAll()
		w.Pass(11 * Day)
		before = w.Refreshes("astra")
		w.Start(0)
		one.Call()
		w.Pass(time.Minute)
		wantRefreshes(t, w, a, before)
		if said := Newest[events.ConsentRequired](w, a); said.Reason != links.ReasonRefreshExpired {
			t.Errorf("the reason is %s", said.Reason)
		}

		// Day 45: authorized again; then the grant dies at the provider.
		w.Pass(Day)
		anna.Consent(Trip{Provider: "astra", Link: a, As: "anna-1"})
		mustCall(t, one)
		w.Sim.RevokeAtSite("astra", "anna-1")
		one.Call()
		if said := Newest[events.ConsentRequired](w, a); said.Reason != links.ReasonGrantDead {
			t.Errorf("the reason is %s", said.Reason)
		}
		anna.Consent(Trip{Provider: "astra", Link: a, As: "anna-1"})
		mustCall(t, one)
	})
}

func TestSDKSixtyDays(t *testing.T) {
	scenario(t, "sdk", func(t *testing.T, w *World, anna *User, a events.Address) {
		one := w.Service(a)
		served, err := w.Token(a, 1, 0)
		if err != nil || strings.Count(served.Bearer, ".") != 2 {
			t.Errorf("the bearer is no JWT: %v", err)
		}
		use(w, 5*time.Minute, 12*time.Hour, one)
		if n := w.Refreshes("sdk"); n < 35 || n > 48 {
			t.Errorf("%d refreshes of a bearer of 15 minutes in 12 hours", n)
		}
		before := w.Refreshes("sdk")
		w.Pass(30 * Day)
		if n := w.Refreshes("sdk") - before; n < 6 || n > 7 {
			t.Errorf("kept alive %d times in 30 days, by day five of seven", n)
		}
		mustCall(t, one)
		wantHelped(t, one)

		// Nothing is known of a second presentation: there is none.
		expire(w, a)
		w.Sim.Script("sdk", providertest.Fault{When: providertest.After, Kind: providertest.Truncate})
		one.Call()
		w.Pass(time.Hour)
		if said := Newest[events.ConsentRequired](w, a); said.Reason != links.ReasonOutcomeUnknown {
			t.Errorf("the reason is %s", said.Reason)
		}
		anna.Consent(Trip{Provider: "sdk", Link: a, As: "anna-1"})
		mustCall(t, one)

		// The refresh token is called dead, as any client would be told.
		w.Sim.RevokeAtSite("sdk", "anna-1")
		one.Call()
		if said := w.Told(a, events.NameConsentRequired); len(said) != 2 {
			t.Errorf("said %q", w.Names(a))
		}
		anna.Consent(Trip{Provider: "sdk", Link: a, As: "anna-1"})

		// Logged out: revoked on the server, cleared here.
		bearer := one.Held().Bearer
		w.Report(events.LogoutRequested{Address: a, Scope: events.LogoutLink})
		w.Pass(time.Minute)
		if w.Get("sdk", bearer) != 401 || len(w.Link(a).Sealed) > 0 || !Newest[events.LinkRevoked](w, a).AtProvider {
			t.Error("the logout left something")
		}
		before = w.Refreshes("sdk")
		use(w, Day, 10*Day, one)
		wantRefreshes(t, w, a, before)
		spared(t, w, "sdk")
	})
}

func TestWSO2SixtyDays(t *testing.T) {
	scenario(t, "wso2", func(t *testing.T, w *World, anna *User, a events.Address) {
		anna.SignIn("wso2", "anna-1", password)
		phone, desk, deaf := w.Service(a), w.Service(a), w.Service(a)
		deaf.Deaf = true
		use(w, 30*time.Minute, 2*Day, phone, desk, deaf)
		if n := w.Refreshes("wso2"); n < 30 || n > 48 {
			t.Errorf("%d refreshes of one token of an hour in two days", n)
		}
		wantHelped(t, phone, desk, deaf)

		// Unused for ten days: the refresh token has ended, the password is asked for.
		w.Pass(10 * Day)
		mustCall(t, desk)
		if w.Asked() == 0 {
			t.Error("nobody asked the session's owner")
		}

		// Another device takes the one token, once a day: one refresh for each.
		for range 5 {
			w.Sim.ForeignLogin("wso2", "anna-1")
			mustCall(t, phone)
			w.Pass(Day)
		}

		// Another device logs out, and all are logged out: the session brings it back.
		w.Sim.RevokeAtSite("wso2", "anna-1")
		mustCall(t, phone)
		bothered := w.Told(a, events.NameConsentRequired, events.NameCredentialsRequired, events.NameTokenRejected)
		if len(bothered) > 0 {
			t.Errorf("the user was bothered: %q", w.Names(a))
		}

		// With the session over its owner is called for, once.
		anna.SignOut()
		w.Sim.RevokeAtSite("wso2", "anna-1")
		use(w, 6*time.Hour, 5*Day, phone, desk)
		if said := w.Told(a, events.NameCredentialsRequired); len(said) != 1 {
			t.Errorf("said %q", w.Names(a))
		}
		anna.SignIn("wso2", "anna-1", password)
		mustCall(t, phone)

		// A logout here is everybody's, and the credential is forgotten.
		w.Report(events.LogoutRequested{Address: a, Scope: events.LogoutLink})
		w.Pass(time.Minute)
		asked := w.Asked()
		use(w, Day, 5*Day, phone, desk, deaf)
		if w.Asked() != asked || w.Link(a).Status != links.Revoked {
			t.Errorf("after the logout the link is %s, and credentials were asked for %d times", w.Link(a).Status, w.Asked()-asked)
		}
	})
}

func TestNextIdentitySixtyDays(t *testing.T) {
	scenario(t, "nextidentity", func(t *testing.T, w *World, anna *User, a events.Address) {
		one := w.Service(a)
		tokens, err := w.Tokens(w.Link(a))
		if err != nil || len(tokens.Access.Reveal()) != 16 || len(tokens.Refresh.Reveal()) != 20 || tokens.ID.IsZero() {
			t.Errorf("not an access token of 16 characters, a refresh token of 20 and an ID token: %v", err)
		}
		use(w, 20*time.Minute, Day, one)
		if n := w.Refreshes("nextidentity"); n < 17 || n > 24 {
			t.Errorf("%d refreshes of a bearer of an hour in a day, beside an ID token of 14", n)
		}

		// Day 13: the browser's session answers at once, and it is compared.
		w.Pass(12 * Day)
		anna.Consent(Trip{Provider: "nextidentity", Link: a, As: "nobody is asked"})
		if got := Newest[events.TokenRotated](w, a); got.Cause != events.CauseReconsent || got.Comparison != events.ComparisonSame {
			t.Errorf("the silent reconsent: %+v", got)
		}

		// Day 20: bert sits at a browser in which he is logged in.
		w.Pass(7 * Day)
		mustCall(t, one)
		wantHelped(t, one)
		kiosk := w.User("anna")
		kiosk.Consent(Trip{Provider: "nextidentity", As: "anna-2"})
		kiosk.Consent(Trip{Provider: "nextidentity", Link: a, As: "anna-1"})
		replaced := Newest[events.LinkReplaced](w, a)
		if replaced.Reason != events.ReplacedDifferentLogin || w.Link(a).Status != links.Replaced {
			t.Fatalf("a silent consent of another person: %+v", replaced)
		}

		// Anna links hers again, asked for her login this time, and again on day 40,
		// when no session and no ID token of the first lives.
		b := anna.Consent(Trip{Provider: "nextidentity", As: "anna-1", Prompt: "login"})
		theirs := w.Service(b)
		use(w, 8*time.Hour, 20*Day, theirs)
		anna.Consent(Trip{Provider: "nextidentity", Link: b, As: "anna-1"})
		use(w, 8*time.Hour, 10*Day, theirs)
		wantHelped(t, theirs)
		if n := len(w.Told(b, events.NameConsentExpiring, events.NameConsentRequired)); n > 0 {
			t.Errorf("said %q", w.Names(b))
		}
		spared(t, w, "nextidentity")
	})
}
