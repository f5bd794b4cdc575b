package events

import (
	"slices"
	"strings"
)

// Name is an event's short name: the last word of its subject and the middle of its type.
type Name string

// The inputs come first, the outputs after them.
const (
	NameTokenExpired           Name = "token-expired"
	NameReconsentCompleted     Name = "reconsent-completed"
	NameLinkReplacementDecided Name = "link-replacement-decided"
	NameLogoutRequested        Name = "logout-requested"

	NameLinkCreated         Name = "link-created"
	NameTokenRotated        Name = "token-rotated"
	NameLinkReplaced        Name = "link-replaced"
	NameLinkReplacementHeld Name = "link-replacement-held"
	NameConsentExpiring     Name = "consent-expiring"
	NameConsentRequired     Name = "consent-required"
	NameConsentFailed       Name = "consent-failed"
	NameLinkRecovered       Name = "link-recovered"
	NameLinkRevoked         Name = "link-revoked"
	NameLinkQuarantined     Name = "link-quarantined"
	NameTokenRejected       Name = "token-rejected"
	NameCredentialsRequired Name = "credentials-required"
	NameAppSuspended        Name = "app-suspended"
	NameAppResumed          Name = "app-resumed"
)

const (
	typePrefix  = "dev.regrant."
	typeVersion = ".v1"
)

// names lists all inputs, then all outputs, in the order of the constants.
var names = [...]Name{
	NameTokenExpired, NameReconsentCompleted, NameLinkReplacementDecided, NameLogoutRequested,
	NameLinkCreated, NameTokenRotated, NameLinkReplaced, NameLinkReplacementHeld,
	NameConsentExpiring, NameConsentRequired, NameConsentFailed, NameLinkRecovered,
	NameLinkRevoked, NameLinkQuarantined, NameTokenRejected, NameCredentialsRequired,
	NameAppSuspended, NameAppResumed,
}

const inputs = 4

// Names returns every event name, inputs first.
func Names() []Name { return slices.Clone(names[:]) }

// Type is the CloudEvents type attribute: dev.regrant.<name>.v1.
func (n Name) Type() string { return typePrefix + string(n) + typeVersion }

// Schema is the name under which package schemas keeps the data's JSON Schema.
func (n Name) Schema() string { return string(n) + typeVersion }

// Input reports whether events of this name are sent to us rather than by us.
func (n Name) Input() bool { return slices.Contains(names[:inputs], n) }

// Known reports whether n is one of Names.
func (n Name) Known() bool { return slices.Contains(names[:], n) }

// ParseType inverts Type. The error is an *Invalid for the field "type".
func ParseType(ceType string) (Name, error) {
	rest, ours := strings.CutPrefix(ceType, typePrefix)
	word, version := strings.CutSuffix(rest, typeVersion)
	if n := Name(word); ours && version && n.Known() {
		return n, nil
	}
	return "", &Invalid{Field: "type", Reason: FaultUnknownType}
}
