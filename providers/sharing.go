package providers

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Share gives each profile that names an app the registration of that provider:
// who we are at which authorization server, with its rate limit. What the profile
// says of these itself stays; lifetimes, rules and policies are always its own. So a
// bank behind an aggregator has its own name and its own clocks.
func Share(profiles map[string]Profile) (map[string]Profile, error) {
	shared, errs := maps.Clone(profiles), []error(nil)
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		p := profiles[name]
		if p.App == "" || p.App == name {
			continue
		}
		app, ok := profiles[p.App]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("providers.%s.app: there is no provider %q to share a registration with", name, p.App))
		case app.App != "" && app.App != p.App:
			errs = append(errs, fmt.Errorf("providers.%s.app: %q shares the registration of %q itself; write app: %s", name, p.App, app.App, app.App))
		case p.ClientID != "" && p.ClientID != app.ClientID:
			errs = append(errs, fmt.Errorf("providers.%s.client_id: is another than that of %q; leave it out, or leave out app", name, p.App))
		case p.Rate != (Rate{}):
			errs = append(errs, fmt.Errorf("providers.%s.rate: is that of the app; write it at %q", name, p.App))
		default:
			shared[name] = p.registered(app)
		}
	}
	return shared, errors.Join(errs...)
}

// registered fills in what a profile leaves out from the provider whose app it is.
func (p Profile) registered(app Profile) Profile {
	p.Issuer = cmp.Or(p.Issuer, app.Issuer)
	p.IssOverride = cmp.Or(p.IssOverride, app.IssOverride)
	p.TokenURL = cmp.Or(p.TokenURL, app.TokenURL)
	p.AuthorizeURL = cmp.Or(p.AuthorizeURL, app.AuthorizeURL)
	p.RevocationURL = cmp.Or(p.RevocationURL, app.RevocationURL)
	p.JWKSURL = cmp.Or(p.JWKSURL, app.JWKSURL)
	p.UserinfoURL = cmp.Or(p.UserinfoURL, app.UserinfoURL)
	p.AccountsURL = cmp.Or(p.AccountsURL, app.AccountsURL)
	p.CustomerURL = cmp.Or(p.CustomerURL, app.CustomerURL)
	p.ClientID, p.Rate = app.ClientID, app.Rate
	if len(p.IDTokenAlgs) == 0 {
		p.IDTokenAlgs = app.IDTokenAlgs
	}
	p.AllowLoopback, p.AllowPrivate = p.AllowLoopback || app.AllowLoopback, p.AllowPrivate || app.AllowPrivate
	if p.ClientSecretFile == "" && len(p.ClientSecretFiles) == 0 && p.ClientKeyFile == "" {
		p.ClientSecretFile, p.ClientSecretFiles = app.ClientSecretFile, app.ClientSecretFiles
		p.ClientKeyFile, p.ClientCertFile = app.ClientKeyFile, app.ClientCertFile
		p.ClientKeyID, p.ClientKeyAlg, p.ClientAssertionAudience = app.ClientKeyID, app.ClientKeyAlg, app.ClientAssertionAudience
		p.AuthStyle, p.CodeAuthStyle = app.AuthStyle, app.CodeAuthStyle
	}
	return p
}

// AppOf is the name of the app of a provider: the registration whose limits and
// troubles it shares. Left out, a provider is its own.
func (p Profile) AppOf(provider string) string { return cmp.Or(p.App, provider) }
