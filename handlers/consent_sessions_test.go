package handlers_test

import (
	"context"
	"strings"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// chainWithPassword are the chains of a provider that takes a password too.
var chainWithPassword = [][]providers.Grant{
	{providers.GrantPassword}, {providers.GrantRefreshToken, providers.GrantPassword},
}

// admit is the token endpoint for passwords.
func (o *op) admit(r providers.Request) *tokens {
	o.posts++
	who := o.named[r.Username.Reveal()]
	return o.issue(who, &grantOf{who: who, password: true})
}

// comesOrGoes is the owner of ann's session.
func (r *consentRun) comesOrGoes() {
	if r.session != nil {
		r.session = nil
		r.tell("ann's session is gone")
		return
	}
	r.tell("ann's session is there")
	r.session = func() (credentials.Credential, error) {
		return credentials.Credential{Password: secret.New(canary + "-password")}, nil
	}
}

// credentials are those of a link's login, if anybody answers.
func (c *cell) credentials(ctx context.Context, a events.Address, generation uint64) (credentials.Credential, error) {
	got, err := c.world.credentials(ctx, a, generation)
	for sub, who := range c.op.named {
		if c.subject(who) == c.book.is[a].Link.Subject {
			got.Username = secret.New(sub)
		}
	}
	return got, err
}

// userOf is the user of the link that an input or a timer is about.
func (c *cell) userOf(t *task) string {
	for _, a := range c.book.made {
		if t != nil && t.msg != nil && strings.Contains(t.msg.Subject, "."+a.Token()) {
			return c.book.is[a].Link.User
		}
	}
	return ""
}
