package events

import (
	"cmp"
	"strings"
)

// DefaultPrefix is the prefix of the zero Subjects.
const DefaultPrefix = "regrant"

// Subjects builds and parses every subject of a cell. Prefix may have dots in
// it; the zero value means DefaultPrefix. Addresses given to the builders must
// be valid (Address.Validate).
type Subjects struct{ Prefix string }

func (s Subjects) base() string {
	if s.Prefix == "" {
		return DefaultPrefix
	}
	return s.Prefix
}

// In is where an input is published.
func (s Subjects) In(a Address, n Name) string { return s.named("in", a, n) }

// Out is where an output is stored.
func (s Subjects) Out(a Address, n Name) string { return s.named("out", a, n) }

// Live is where the server republishes an output once it is stored.
func (s Subjects) Live(a Address, n Name) string { return s.named("live", a, n) }

// Dead is where the dead letter of an input goes.
func (s Subjects) Dead(a Address, n Name) string { return s.DeadOf(s.In(a, n)) }

// Timer holds a link's one schedule.
func (s Subjects) Timer(a Address) string { return s.base() + ".timer." + a.Token() }

// Due is where a link's schedule fires.
func (s Subjects) Due(a Address) string { return s.base() + ".due." + a.Token() }

// API is where the API's verb is asked for in a tenant. Verbs are [a-z0-9-]{1,32}.
func (s Subjects) API(tenant, verb string) string { return s.base() + ".api." + tenant + "." + verb }

// APILink is where the API's verb is asked for about one link.
func (s Subjects) APILink(a Address, verb string) string {
	return s.base() + ".api." + a.Token() + "." + verb
}

// APIEveryone is where all workers of a cell are asked at once. It lies where a
// tenant's subjects would, of a name that no tenant can have.
func (s Subjects) APIEveryone(verb string) string { return s.API("_", verb) }

// Credentials is where the owner of a link's session is asked for its credentials.
func (s Subjects) Credentials(a Address) string { return s.base() + ".credentials." + a.Token() }

// Audit is where an entry of the audit is stored; "_" stands for what it does not name.
func (s Subjects) Audit(action string, a Address) string {
	return s.base() + ".audit." + action + "." + cmp.Or(a.Tenant, "_") + "." + cmp.Or(a.Provider, "_") + "." + cmp.Or(a.Link, "_")
}

// AuditFilter selects entries of the audit; an empty part means any, or none.
func (s Subjects) AuditFilter(action string, a Address) string {
	return s.Audit(cmp.Or(action, "*"), orAny(a))
}

// DeadOf is where the dead letter of any message goes, also of one whose subject
// nobody understands: the original subject, with the prefix moved before "dead".
func (s Subjects) DeadOf(subject string) string {
	return s.base() + ".dead." + strings.TrimPrefix(subject, s.base()+".")
}

func (s Subjects) named(kind string, a Address, n Name) string {
	return s.base() + "." + kind + "." + a.Token() + "." + string(n)
}

// InFilter selects every input of one provider, of all tenants.
func (s Subjects) InFilter(provider string) string { return s.base() + ".in.*." + provider + ".>" }

// InFilterOf selects inputs; an empty part of the address or an empty name means any.
func (s Subjects) InFilterOf(a Address, n Name) string { return s.filter("in", a, n) }

// DueFilter selects every due event of one provider, of all tenants.
func (s Subjects) DueFilter(provider string) string { return s.base() + ".due.*." + provider + ".*" }

// OutOf selects every output of one link.
func (s Subjects) OutOf(a Address) string { return s.base() + ".out." + a.Token() + ".*" }

// OutFilter selects stored outputs; an empty part of the address or an empty name means any.
func (s Subjects) OutFilter(a Address, n Name) string { return s.filter("out", a, n) }

// InputFilter selects stored inputs; empty means any, as in OutFilter.
func (s Subjects) InputFilter(a Address, n Name) string { return s.filter("in", a, n) }

// LiveFilter selects republished outputs; empty means any, as in OutFilter.
func (s Subjects) LiveFilter(a Address, n Name) string { return s.filter("live", a, n) }

// CredentialsFilter selects asks for credentials; an empty part of the address means any.
func (s Subjects) CredentialsFilter(a Address) string { return s.Credentials(orAny(a)) }

// APIAll selects one verb of all tenants.
func (s Subjects) APIAll(verb string) string { return s.API("*", verb) }

// APILinkAll selects one verb of all links.
func (s Subjects) APILinkAll(verb string) string { return s.APILinkFilter(Address{}, verb) }

// APILinkFilter selects one verb of links; an empty part of the address means any.
func (s Subjects) APILinkFilter(a Address, verb string) string { return s.APILink(orAny(a), verb) }

// APIAny selects everything that the API is asked.
func (s Subjects) APIAny() string { return s.base() + ".api.>" }

// AuditOf selects the audit's entries of one action.
func (s Subjects) AuditOf(action string) string { return s.base() + ".audit." + action + ".>" }

// InAll, OutAll, LiveAll, TimerAll, DueAll and DeadAll select everything of a kind.
func (s Subjects) InAll() string    { return s.base() + ".in.>" }
func (s Subjects) OutAll() string   { return s.base() + ".out.>" }
func (s Subjects) LiveAll() string  { return s.base() + ".live.>" }
func (s Subjects) TimerAll() string { return s.base() + ".timer.>" }
func (s Subjects) DueAll() string   { return s.base() + ".due.>" }
func (s Subjects) DeadAll() string  { return s.base() + ".dead.>" }
func (s Subjects) AuditAll() string { return s.base() + ".audit.>" }

func (s Subjects) filter(kind string, a Address, n Name) string {
	return s.named(kind, orAny(a), cmp.Or(n, "*"))
}

// orAny puts a wildcard in place of each empty part.
func orAny(a Address) Address {
	return Address{cmp.Or(a.Tenant, "*"), cmp.Or(a.Provider, "*"), cmp.Or(a.Link, "*")}
}

// ParseIn inverts In. The error is an *Invalid for the field "subject". The
// words returned are parts of subject: nothing is copied.
func (s Subjects) ParseIn(subject string) (Address, Name, error) {
	return s.parseNamed("in", subject, true)
}

// ParseOut inverts Out.
func (s Subjects) ParseOut(subject string) (Address, Name, error) {
	return s.parseNamed("out", subject, false)
}

// ParseLive inverts Live.
func (s Subjects) ParseLive(subject string) (Address, Name, error) {
	return s.parseNamed("live", subject, false)
}

// ParseDue inverts Due.
func (s Subjects) ParseDue(subject string) (Address, error) {
	return s.parseAddress("due", subject)
}

// ParseTimer inverts Timer.
func (s Subjects) ParseTimer(subject string) (Address, error) {
	return s.parseAddress("timer", subject)
}

// ParseCredentials inverts Credentials.
func (s Subjects) ParseCredentials(subject string) (Address, error) {
	return s.parseAddress("credentials", subject)
}

// ParseAPI inverts API.
func (s Subjects) ParseAPI(subject string) (tenant, verb string, err error) {
	rest, ok := s.cut("api", subject)
	tenant, verb, two := strings.Cut(rest, ".")
	if !ok || !two || !validName(tenant) || !validName(verb) {
		return "", "", errSubject
	}
	return tenant, verb, nil
}

// ParseAPILink inverts APILink.
func (s Subjects) ParseAPILink(subject string) (a Address, verb string, err error) {
	rest, ok := s.cut("api", subject)
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 || !validName(rest[dot+1:]) {
		return Address{}, "", errSubject
	}
	a, err = splitAddress(rest[:dot])
	return a, rest[dot+1:], err
}

// ParseDead inverts DeadOf: it returns the subject of the message that died.
func (s Subjects) ParseDead(subject string) (string, error) {
	rest, ok := s.cut("dead", subject)
	if !ok || rest == "" {
		return "", errSubject
	}
	return s.base() + "." + rest, nil
}

// The two ways in which a subject fails; shared, since nobody may change an error.
var (
	errSubject     error = &Invalid{Field: "subject", Reason: FaultMalformed}
	errSubjectName error = &Invalid{Field: "subject", Reason: FaultUnknownType}
)

func (s Subjects) parseNamed(kind, subject string, input bool) (Address, Name, error) {
	rest, ok := s.cut(kind, subject)
	if !ok {
		return Address{}, "", errSubject
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 {
		return Address{}, "", errSubject
	}
	a, err := splitAddress(rest[:dot])
	if err != nil {
		return Address{}, "", err
	}
	if n := Name(rest[dot+1:]); n.Known() && n.Input() == input {
		return a, n, nil
	}
	return Address{}, "", errSubjectName
}

func (s Subjects) parseAddress(kind, subject string) (Address, error) {
	rest, ok := s.cut(kind, subject)
	if !ok {
		return Address{}, errSubject
	}
	return splitAddress(rest)
}

// cut removes "<prefix>.<kind>.". It compares in steps: building the string would allocate.
func (s Subjects) cut(kind, subject string) (string, bool) {
	for _, word := range [...]string{s.base(), kind} {
		rest, ok := strings.CutPrefix(subject, word)
		if !ok || rest == "" || rest[0] != '.' {
			return "", false
		}
		subject = rest[1:]
	}
	return subject, true
}

func splitAddress(words string) (Address, error) {
	tenant, rest, ok1 := strings.Cut(words, ".")
	provider, link, ok2 := strings.Cut(rest, ".")
	a := Address{tenant, provider, link}
	if !ok1 || !ok2 || a.Validate() != nil {
		return Address{}, errSubject
	}
	return a, nil
}
