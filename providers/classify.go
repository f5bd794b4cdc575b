package providers

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	codeInvalidClient = "invalid_client"
	codeInvalidGrant  = "invalid_grant"
	// codeUnsupportedToken: this kind of token cannot be revoked (RFC 7009, 2.2.1).
	codeUnsupportedToken = "unsupported_token_type"
	maxRetryAfter        = time.Hour
)

var (
	// configCodes are about our registration (RFC 6749, 5.2).
	configCodes = set(codeInvalidClient, "unauthorized_client", "unsupported_grant_type", "invalid_scope")
	// waitCodes ask for patience (RFC 6749, 4.1.2.1; RFC 8628, 3.5).
	waitCodes  = set("temporarily_unavailable", "slow_down")
	knownCodes = union(configCodes, waitCodes, set(codeInvalidGrant, "invalid_request", "server_error",
		"invalid_token", codeUnsupportedToken,
		"access_denied", "interaction_required", "login_required", "consent_required"))
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

func union(sets ...map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, s := range sets {
		for w := range s {
			all[w] = true
		}
	}
	return all
}

// verdict is what a reply means. code is as the provider wrote it.
type verdict struct {
	class Class
	code  string
	words string
	// strange: no rule knows this error answer.
	strange bool
	// client: it is our client's credentials that were refused.
	client bool
}

// judge decides the class of a reply from the profile and the body's error code;
// the status alone decides only where it must. It is a pure function.
func judge(p *Profile, r *reply, f fields, readable bool) verdict {
	code := f.text("error")
	switch {
	case r.status >= 300 && r.status <= 399:
		return verdict{class: OurFault, words: "a redirect is not followed; set token_url to the final address"}
	case r.status == http.StatusTooManyRequests:
		return verdict{class: Refused, code: code, words: "too many requests"}
	case r.success() && !readable:
		return verdict{class: Ambiguous, words: "the answer is cut short or not a token response"}
	case r.success() && f.usable(p):
		return verdict{class: OK}
	case r.success() && (!p.SuccessStatusErrors || code == ""):
		return verdict{class: Ambiguous, code: code, words: "the answer holds no usable " + p.bearerField()}
	}
	return judgeError(p, r, f, code)
}

// judgeError decides about an error answer: first what the profile pins, of which
// the ambiguous never costs a second presentation, and config before terminal never
// a user's consent; then the standard. Anything of a 5xx that no profile pins may hide a consumed token.
func judgeError(p *Profile, r *reply, f fields, code string) verdict {
	server := r.status >= 500
	switch {
	case matches(p.AmbiguousCodes, r.status, f):
		return verdict{class: Ambiguous, code: code, words: "the token may have been consumed"}
	case matches(p.ConfigAliases, r.status, f):
		return verdict{class: OurFault, code: code, client: true, words: "check client_id, the client secret and the app's registration"}
	case matches(p.TerminalAliases, r.status, f):
		return verdict{class: GrantDead, code: code, words: "the grant is dead"}
	case matches(p.TransientCodes, r.status, f), !server && waitCodes[code]:
		return verdict{class: Refused, code: code, words: "try again later"}
	case r.status == http.StatusServiceUnavailable && p.Unavailable503IsRefusal && r.header.Get("Retry-After") != "":
		return verdict{class: Refused, code: code, words: "unavailable for now"}
	case !r.complete:
		return verdict{class: Ambiguous, words: "the error is cut short"}
	case server, r.status == http.StatusRequestTimeout:
		return verdict{class: Ambiguous, code: code, words: "the token may have been consumed"}
	case code == codeInvalidGrant:
		return verdict{class: GrantDead, code: code, words: "the grant is dead"}
	case configCodes[code], r.status == http.StatusUnauthorized && code == "":
		return verdict{class: OurFault, code: code, client: code == codeInvalidClient, words: "check client_id, the client secret, auth_style and the app's registration"}
	}
	return verdict{class: OurFault, code: code, strange: true, words: "the request was not understood; check token_url, or teach the profile this answer (terminal_aliases, config_aliases, transient_codes, ambiguous_codes)"}
}

func matches(signs []Sign, status int, f fields) bool {
	for _, s := range signs {
		if s.matches(status, f) {
			return true
		}
	}
	return false
}

func (s Sign) matches(status int, f fields) bool {
	field := s.Field
	if field == "" {
		field = "error"
	}
	return (s.Status == 0 || s.Status == status) &&
		(s.Error == "" || f.text(field) == s.Error) &&
		(s.Description == "" || strings.Contains(oneSpace(f.text("error_description")), oneSpace(s.Description)))
}

func oneSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// retryAfter reads either form of the header (RFC 9110, 10.2.3). A provider that
// asks for more than an hour is asked again after an hour.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}
