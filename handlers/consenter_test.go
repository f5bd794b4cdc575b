package handlers_test

import (
	"context"
	"time"

	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// The tests of refreshes never consent: that has a world of its own.

func (c *client) AuthorizeURL(providers.AuthorizeRequest) (string, error) { panic("no consent here") }
func (c *client) CheckIss(string) error                                   { panic("no consent here") }
func (c *client) CodeDeadline() time.Duration                             { return c.w.budget.DeadlineOnce }
func (c *client) Exchange(context.Context, providers.CodeRequest) providers.Outcome {
	panic("no consent here")
}
func (c *client) Identify(context.Context, *providers.Answer, string) (providers.Verified, error) {
	panic("no consent here")
}
func (c *client) Accounts(context.Context, secret.Value) ([]string, error) { panic("no consent here") }
func (c *client) Customer(context.Context, secret.Value) (secret.Value, error) {
	panic("no consent here")
}
func (c *client) Revoke(context.Context, secret.Value, string) error { panic("no consent here") }
func (c *client) RevokesTokensOnly() bool                            { return false }
