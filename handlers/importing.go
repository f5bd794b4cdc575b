package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// Namer names people without naming them; *seal.Keys is one.
type Namer interface {
	Subject(issuer, clientID, sub string) string
	User(tenant, user string) string
}

// Keys seal and name. *seal.Keys is one.
type Keys interface {
	Sealer
	Namer
}

var _ Keys = (*seal.Keys)(nil)

// Importer makes links of grants that were obtained elsewhere.
type Importer struct {
	Source   string
	Subjects events.Subjects
	Tenants  []string
	Profiles map[string]providers.Profile
	Store    links.Store
	Index    links.Index
	Keys     Keys
	Timers   Timers
	Outputs  Outputs
	Budget   budget.Budget
	Clock    func() time.Time
}

// Check fills in the defaults of a line (tenant default, a new link id) and says
// what is wrong with it. It reads, and changes nothing.
func (im *Importer) Check(ctx context.Context, in ImportLine) (ImportLine, error) {
	if in.Tenant == "" {
		in.Tenant = "default"
	}
	if in.Link == "" {
		in.Link = ulid.Make().String()
	}
	if err := im.check(in); err != nil {
		return in, err
	}
	_, err := im.Store.Latest(ctx, in.Address)
	switch {
	case err == nil:
		return in, &BadLine{"link", "exists already; reconsent or another id is the way to new tokens"}
	case errors.Is(err, links.ErrNotFound):
		return in, nil
	default:
		return in, err
	}
}

func (im *Importer) check(in ImportLine) error {
	var invalid *events.Invalid
	if errors.As(in.Validate(), &invalid) {
		return &BadLine{invalid.Field, "is " + invalid.Reason}
	}
	profile, ok := im.Profiles[in.Provider]
	switch {
	case !ok:
		return &BadLine{"provider", "is not configured"}
	case !slices.Contains(im.Tenants, in.Tenant):
		return &BadLine{"tenant", "is not configured"}
	case in.User == "":
		return &BadLine{"user", "is missing"}
	case profile.Bearer == providers.BearerID && in.ID.IsZero():
		return &BadLine{"id_token", "is missing: it is this provider's bearer"}
	case profile.Bearer != providers.BearerID && in.Access.IsZero():
		return &BadLine{"access_token", "is missing"}
	case in.Refresh.IsZero() && !renewableWithout(profile, in):
		return &BadLine{"refresh_token", "is missing: the link could never be refreshed"}
	case !in.APIKey.IsZero() && !slices.Contains(profile.Grants, providers.GrantAPIKey):
		return &BadLine{"api_key", "is of no use: the provider's grants do not name api_key"}
	}
	return nil
}

// renewableWithout says whether a link without a refresh token can be renewed.
func renewableWithout(p providers.Profile, in ImportLine) bool {
	return slices.ContainsFunc(p.Grants, func(g providers.Grant) bool {
		switch g {
		case providers.GrantAPIKey:
			return !in.APIKey.IsZero()
		default:
			return g != providers.GrantRefreshToken
		}
	})
}

// Import makes the link of a checked line: the claim on its login first, then
// the index, the record, and what the record announces. A crash in between
// leaves a claim that the same line takes up again.
func (im *Importer) Import(ctx context.Context, in ImportLine) error {
	l, err := im.link(in)
	if err != nil {
		return err
	}
	if l.Subject != "" {
		if err := im.own(ctx, l); err != nil {
			return err
		}
	}
	if err := im.Index.AddUser(ctx, im.Keys.User(l.Tenant, l.User), l.Address); err != nil {
		return err
	}
	if _, err := im.Store.Create(ctx, l); err != nil {
		if errors.Is(err, links.ErrExists) {
			return &BadLine{"link", "exists already"}
		}
		return fmt.Errorf("create link %s: %w", l.Address, err)
	}
	f := &finisher{Subjects: im.Subjects, Timers: im.Timers, Outputs: im.Outputs, known: newKnown(1), Limit: im.Budget.Recovery}
	return f.finish(ctx, l, 1, false)
}

// own makes the link the owner of its login, unless that is somebody's. It begins with
// a claim on a login that nobody ever had: only a refusal is worth a look.
func (im *Importer) own(ctx context.Context, l links.Link) error {
	login := links.Login(l.Provider, l.Subject)
	err := im.Index.Take(ctx, l.Tenant, login, links.Owner{Address: l.Address})
	for errors.Is(err, links.ErrConflict) {
		err = im.ownAfter(ctx, l, login)
	}
	return err
}

// ownAfter takes a login from the owner that it has or had, if that may be.
func (im *Importer) ownAfter(ctx context.Context, l links.Link, login string) error {
	owner, err := im.Index.Owner(ctx, l.Tenant, login)
	if err != nil {
		return err
	}
	vacant, err := im.vacant(ctx, owner.Address, l)
	if err != nil {
		return err
	}
	if !vacant {
		return &BadLine{"sub", "is the login of link " + owner.Address.String() + " already"}
	}
	return im.Index.Take(ctx, l.Tenant, login, links.Owner{Address: l.Address, Revision: owner.Revision})
}

// vacant says whether a link may take a login from its owner: from nobody, from
// itself, from an import that was cut short, and from a link that has ended or has
// another login by now.
func (im *Importer) vacant(ctx context.Context, owner events.Address, by links.Link) (bool, error) {
	if owner == (events.Address{}) || owner == by.Address {
		return true, nil
	}
	found, err := im.Store.Latest(ctx, owner)
	if errors.Is(err, links.ErrNotFound) {
		return true, nil
	}
	return err == nil && (found.Link.Status.Ended() || found.Link.Live() && found.Link.Subject != by.Subject), err
}

func (im *Importer) link(in ImportLine) (links.Link, error) {
	p := im.Profiles[in.Provider]
	t := links.Tokens{Access: in.Access, Refresh: in.Refresh, ID: in.ID, APIKey: in.APIKey, Type: "Bearer", Subject: in.Sub}
	l := links.Link{Address: in.Address, User: in.User, Nickname: in.Nickname, ClientID: p.ClientID}
	if in.Sub != "" {
		t.Issuer = cmp.Or(p.IssOverride, p.Issuer) // what its ID tokens say
		l.Subject = im.Keys.Subject(t.Issuer, p.ClientID, in.Sub)
	}
	sealed, err := SealTokens(im.Keys, in.Address, 1, 1, t)
	if err != nil {
		return l, err
	}
	bearer := in.Access
	if p.Bearer == providers.BearerID {
		bearer = in.ID
	}
	now := im.Clock()
	g := links.Grant{
		Fingerprint: bearer.Fingerprint(), Refreshable: !in.Refresh.IsZero(), APIKey: !in.APIKey.IsZero(), Scopes: in.Scopes, IssuedAt: now.Round(0),
		ExpiresAt: in.ExpiresAt, RefreshExpiresAt: in.RefreshExpiresAt, Sealed: sealed,
	}
	// The life of an imported bearer began at some unknown time before: no minimum interval applies.
	l = links.Import(l, g, links.Origin{Source: im.Source}, now, RulesOf(p, im.Budget.DeadlineOnce, im.Budget), rand.Float64())
	l.IssuedAt = time.Time{}
	return l, nil
}
