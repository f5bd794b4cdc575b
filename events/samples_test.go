package events_test

import (
	"time"

	"github.com/regrant/regrant/events"
)

var (
	at   = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	bank = events.Address{Tenant: "default", Provider: "op", Link: "01JQ8ZC6T2M5X9V3K7N4R0WHBD"}
	twin = events.Address{Tenant: "default", Provider: "op", Link: "01JQ8ZD1YB8F6G2S5E3P7A9CKM"}
)

func ends(days int) *time.Time {
	t := at.AddDate(0, 0, days).Truncate(time.Second)
	return &t
}

// samples has every data type with every field set, each under the name of its
// golden file; a second variant where the fields exclude each other.
func samples() map[string]events.Data {
	gained, lost := []string{"payments"}, []string{"accounts", "offline_access"}
	return map[string]events.Data{
		"token-expired": events.TokenExpired{Address: bank, Generation: 7, Fingerprint: events.Fingerprint("bearer"),
			Reason: events.ReasonUnauthorized, Status: 401, Error: "invalid_token"},
		"token-expired.fingerprint": events.TokenExpired{Address: bank, Fingerprint: events.Fingerprint("bearer"),
			Reason: events.ReasonExpired},
		"reconsent-completed": events.ReconsentCompleted{Address: bank, State: "af0ifjsldkj", Code: "SplxlOBeZQQYbYS6WxSbIA",
			Iss: "https://op.example.com", User: "user-17"},
		"reconsent-completed.error": events.ReconsentCompleted{Address: bank, State: "af0ifjsldkj", Error: "access_denied",
			Iss: "https://op.example.com", User: "user-17"},
		"reconsent-completed.staging": events.ReconsentCompleted{Address: bank, Staging: "01JQ8ZE4WN"},
		"link-replacement-decided":    events.LinkReplacementDecided{Address: bank, Consent: 3, Decision: events.DecisionApprove},
		"logout-requested":            events.LogoutRequested{Address: bank, Scope: events.LogoutUser},
		"link-created": events.LinkCreated{Address: bank, Nickname: "Joint account", Generation: 1, Consent: 1,
			Cause: events.CauseReconsent, Scopes: lost, Accounts: []string{"acc-1"},
			ExpiresAt: ends(1), RefreshExpiresAt: ends(10), ConsentExpiresAt: ends(90),
			AccountsUnknown: events.AccountsTooMany, Requested: &twin, Supersedes: &twin},
		"token-rotated": events.TokenRotated{Address: bank, Generation: 8, PreviousGeneration: 7, Consent: 2,
			Cause: events.CauseRefresh, ExpiresAt: ends(1), RefreshExpiresAt: ends(10), ConsentExpiresAt: ends(90),
			PreviousStillValid: true, Scopes: lost, ScopesGained: gained, ScopesLost: lost, AccountsGained: []string{"acc-2"},
			AccountsLost: []string{"acc-1"}, ClaimsChanged: []string{"acr"}, Comparison: events.ComparisonSame,
			AccountsUnknown: events.AccountsUnreachable, Requested: &twin, Supersedes: &twin},
		"link-replaced": events.LinkReplaced{Address: bank, Nickname: "Joint account", Replacement: twin,
			Reason: events.ReplacedDifferentLogin, Generation: 8, Consent: 3, SubjectHMAC: "b2xk", ReplacementSubjectHMAC: "bmV3",
			ScopesGained: gained, ScopesLost: lost, AccountsGained: []string{"acc-2"}, AccountsLost: []string{"acc-1"},
			SameCustomer: events.CustomerUnknown},
		"link-replacement-held": events.LinkReplacementHeld{Address: bank, Nickname: "Joint account", Replacement: &twin,
			Reason: events.ReplacedDifferentLogin, Generation: 8, Consent: 3, SubjectHMAC: "b2xk", ReplacementSubjectHMAC: "bmV3",
			ScopesGained: gained, ScopesLost: lost, AccountsGained: []string{"acc-2"}, AccountsLost: []string{"acc-1"},
			SameCustomer: events.CustomerOther, HeldUntil: *ends(14)},
		"consent-expiring": events.ConsentExpiring{Address: bank, Nickname: "Joint account", Generation: 8, Consent: 2,
			Clock: events.ClockConsent, EndsAt: *ends(7)},
		"consent-required": events.ConsentRequired{Address: bank, Nickname: "Joint account", Generation: 8, Consent: 2,
			Reason: "outcome_unknown"},
		"consent-failed": events.ConsentFailed{Address: bank, Nickname: "Joint account", Generation: 8, Consent: 2, Reason: events.ConsentCodeRejected},
		"link-recovered": events.LinkRecovered{Address: bank, Nickname: "Joint account", Generation: 9, Consent: 2, From: "uncertain"},
		"link-revoked":   events.LinkRevoked{Address: bank, Generation: 9, Consent: 2, Reason: "logout", AtProvider: true},
		"link-quarantined": events.LinkQuarantined{Address: bank, Nickname: "Joint account", Generation: 9,
			Reason: "subject_changed"},
		"token-rejected": events.TokenRejected{Address: bank, Nickname: "Joint account", Generation: 9, Reason: "foreign_kills",
			Count: 4, Window: 600},
		"credentials-required": events.CredentialsRequired{Address: bank, Nickname: "Joint account", Generation: 9, Reason: "no_answer"},
		"app-suspended":        events.AppSuspended{Address: bank, App: "aggregator", Reason: "invalid_client"},
		"app-resumed":          events.AppResumed{Address: bank, App: "aggregator", SuspendedAt: ends(-1)},
	}
}
