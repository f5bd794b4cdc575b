package events

// Address names a link: which application owns it, at which provider, and its
// id. Every event is about one link, so every data type embeds an Address, and
// the same three words stand in subjects, keys and associated data.
type Address struct {
	Tenant   string `json:"tenant"`
	Provider string `json:"provider"`
	Link     string `json:"link"`
}

// Longest names in characters. They keep a subject well below what NATS allows.
const (
	maxName = 32
	maxLink = 64
)

// Validate says which part of the address is malformed, as an *Invalid. It
// guards everything built from an address: a part with a dot or a wildcard in
// it would change the meaning of a subject.
func (a Address) Validate() error {
	switch {
	case !validName(a.Tenant):
		return &Invalid{Field: "tenant", Reason: FaultMalformed}
	case !validName(a.Provider):
		return &Invalid{Field: "provider", Reason: FaultMalformed}
	case !validLink(a.Link):
		return &Invalid{Field: "link", Reason: FaultMalformed}
	}
	return nil
}

// String is the address for people and lock keys: tenant/provider/link.
func (a Address) String() string { return a.Tenant + "/" + a.Provider + "/" + a.Link }

// Token is the address for subjects, store keys and partition keys: tenant.provider.link.
func (a Address) Token() string { return a.Tenant + "." + a.Provider + "." + a.Link }

// address seals Data: only types that embed an Address can be event data.
func (a Address) address() Address { return a }

// ValidProvider reports whether a name can be a provider's or a tenant's: [a-z0-9-]{1,32}.
func ValidProvider(name string) bool { return validName(name) }

// ValidLink reports whether an id can be a link's: [A-Za-z0-9_-]{1,64}.
func ValidLink(id string) bool { return validLink(id) }

// validName matches [a-z0-9-]{1,32}. It is written out because it runs for every message.
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

// validLink matches [A-Za-z0-9_-]{1,64}.
func validLink(s string) bool {
	if s == "" || len(s) > maxLink {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c|0x20) && !isDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
