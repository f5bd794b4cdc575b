package providers

import "fmt"

// Reasons of a Rejection, as events name them. They are stable.
const (
	ReasonWrongNonce     = "wrong_nonce"
	ReasonWrongIssuer    = "wrong_issuer"
	ReasonWrongAudience  = "wrong_audience"
	ReasonWrongParty     = "wrong_party" // azp
	ReasonExpired        = "expired"
	ReasonNotYetValid    = "not_yet_valid"
	ReasonWrongAlgorithm = "wrong_algorithm"
	ReasonWrongSignature = "wrong_signature"
	ReasonNoSubject      = "no_subject"
	ReasonMissing        = "missing" // the profile demands an ID token and there is none
	ReasonMalformed      = "malformed"
	ReasonAtHash         = "at_hash"
	ReasonIssuerChanged  = "issuer_changed"  // on a refresh: not the grant's
	ReasonSubjectChanged = "subject_changed" // on a refresh: not the grant's
	ReasonIssMismatch    = "iss_mismatch"    // of the redirect, RFC 9207
	ReasonIssMissing     = "iss_missing"     // of the redirect, RFC 9207
)

// Rejection is an ErrHostile with its reason: what was shown is not what this
// provider gives to this client for this flow or link. It names no claim's value.
type Rejection struct {
	Reason string

	provider, words string
}

func (r *Rejection) Error() string {
	return fmt.Sprintf("provider %s: %s: %s (%s)", r.provider, ErrHostile, r.words, r.Reason)
}

// Unwrap returns ErrHostile.
func (r *Rejection) Unwrap() error { return ErrHostile }

func (p *Provider) reject(reason, words string) error {
	return &Rejection{Reason: reason, provider: p.name, words: words}
}

// CheckIss compares the `iss` of a redirect with the issuer that the flow was
// sent to (RFC 9207, 2.4), which is what tells a code of this provider from one
// that another provider's redirect smuggles in. An absent iss passes unless
// iss_parameter is required; a given one is compared wherever an issuer is
// configured. The error is a Rejection: iss_missing or iss_mismatch.
func (p *Provider) CheckIss(iss string) error {
	switch {
	case iss == "" && p.profile.IssParameter == IssRequired:
		return p.reject(ReasonIssMissing, "the redirect names no iss; if the provider never does, set iss_parameter: optional")
	case iss == "" || p.profile.expectedIssuer() == "":
		return nil
	case iss != p.profile.Issuer && iss != p.profile.IssOverride:
		return p.reject(ReasonIssMismatch, "the redirect's iss is not this provider's issuer")
	}
	return nil
}
