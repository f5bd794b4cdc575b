package handlers_test

import (
	"github.com/regrant/regrant/credentials"
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
		return credentials.Credential{Username: secret.New(r.logins[0].sub), Password: secret.New(canary + "-password")}, nil
	}
}
