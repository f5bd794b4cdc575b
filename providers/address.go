package providers

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// errAddress marks a refusal of an address; the dial never happened.
var errAddress = errors.New("address not permitted")

// addressRule decides which addresses of a resolved name may be dialled. It is
// applied to the address itself, at the moment of connecting: checking the name
// beforehand is undone by a name server that answers differently the second time.
type addressRule struct{ loopback, private bool }

// Networks that are nobody's public token endpoint. netip knows the classic
// private ones; these it does not call private.
var (
	neverPublic = prefixes("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",
		"240.0.0.0/4", "100::/64", "2001:db8::/32", "fec0::/10")
	alsoPrivate = prefixes("100.64.0.0/10", "198.18.0.0/15")
	// IPv6 addresses that a gateway turns into the IPv4 address in their last or
	// middle bytes, private ones included.
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4  = netip.MustParsePrefix("2002::/16")
	nat64lo = netip.MustParsePrefix("64:ff9b:1::/48")
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// control is a net.Dialer's Control: it sees the address after resolution.
func (r addressRule) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is not an address", errAddress, address)
	}
	return r.check(ap.Addr())
}

func (r addressRule) check(a netip.Addr) error {
	a = embedded(a.Unmap().WithZone(""))
	switch {
	case a.IsLoopback():
		if !r.loopback {
			return fmt.Errorf("%w: %s is this host; set allow_loopback: true if that is meant", errAddress, a)
		}
	case a.IsPrivate() || within(alsoPrivate, a) || nat64lo.Contains(a):
		if !r.private {
			return fmt.Errorf("%w: %s is in a private network; set allow_private: true if that is meant", errAddress, a)
		}
	case !a.IsGlobalUnicast() || within(neverPublic, a):
		// Link-local among them: that is where clouds keep their credentials.
		return fmt.Errorf("%w: %s is no public address", errAddress, a)
	}
	return nil
}

// embedded returns the IPv4 address that a translating gateway would connect to,
// or the address itself.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}
