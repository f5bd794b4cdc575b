package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/goccy/go-yaml"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers"
)

type providersCmd struct {
	List  providersListCmd  `cmd:"" help:"List the configured providers and the built-in profiles."`
	Show  providersShowCmd  `cmd:"" help:"Print a provider's profile, or a built-in one, with everything that it inherits."`
	Check providersCheckCmd `cmd:"" help:"Check the configured providers: fields, secret files, and facts that nobody has verified."`
}

// providerRow is what a list shows of a profile.
type providerRow struct {
	Name       string               `json:"name"`
	Configured bool                 `json:"configured"`
	Base       string               `json:"profile"`
	Rotation   providers.Rotation   `json:"rotation"`
	Replay     string               `json:"replay"`
	Bearer     providers.BearerKind `json:"bearer"`
	Policy     providers.Policy     `json:"on_different_login"`
	Confidence providers.Confidence `json:"confidence"`
	VerifiedOn string               `json:"verified_on"`
	Source     string               `json:"source_url"`
}

func rowOf(name string, configured bool, p providers.Profile) providerRow {
	return providerRow{name, configured, p.Base, p.Rotation, p.Replay.String(), p.Bearer, p.OnDifferentLogin, p.Confidence, p.VerifiedOn, p.Source}
}

type providersListCmd struct{}

func (*providersListCmd) Run(_ context.Context, c *cli.Common) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	var rows []providerRow
	for _, name := range cfg.ProviderNames() {
		rows = append(rows, rowOf(name, true, cfg.Providers[name]))
	}
	for _, name := range providers.BuiltinNames() {
		p, err := providers.Builtin(name)
		if err != nil {
			return err
		}
		rows = append(rows, rowOf(name, false, p))
	}
	return printProviders(c, rows)
}

func printProviders(c *cli.Common, rows []providerRow) error {
	if c.JSON {
		for _, r := range rows {
			if err := c.Print(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tIS\tROTATION\tREPLAY\tBEARER\tOTHER LOGIN\tFACTS")
	for _, r := range rows {
		is := "built-in"
		if r.Configured {
			is = "configured, from " + r.Base
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s, %s\n", r.Name, is, r.Rotation, r.Replay, r.Bearer, r.Policy, r.Confidence, r.VerifiedOn)
	}
	return w.Flush()
}

type providersShowCmd struct {
	Name string `arg:"" help:"A configured provider, or a built-in profile."`
}

func (s *providersShowCmd) Run(_ context.Context, c *cli.Common) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	p, ok := cfg.Providers[s.Name]
	if !ok {
		if p, err = providers.Builtin(s.Name); err != nil {
			return fmt.Errorf("%w: %w", cli.ErrBadInput, err)
		}
	}
	text, err := yaml.MarshalWithOptions(p, yaml.OmitZero())
	if err != nil {
		return err
	}
	if p.Replay == (providers.Replay{}) { // its zero value is a rule like any other
		text = append(text, "replay: forbidden\n"...)
	}
	_, err = c.Out.Write(text)
	return err
}

type providersCheckCmd struct{}

func (*providersCheckCmd) Run(_ context.Context, c *cli.Common) error {
	cfg, err := settled(c)
	if err != nil {
		return err
	}
	if err := worker.Check(cfg); err != nil {
		return err
	}
	for _, name := range cfg.ProviderNames() {
		for _, doubt := range doubts(cfg.Providers[name]) {
			fmt.Fprintf(c.Out, "%s: %s\n", name, doubt)
		}
	}
	_, err = fmt.Fprintf(c.Out, "%d providers can be used\n", len(cfg.Providers))
	return err
}

// doubts are what works and may surprise.
func doubts(p providers.Profile) []string {
	var list []string
	say := func(is bool, text string) {
		if is {
			list = append(list, text)
		}
	}
	say(p.Confidence == providers.Guessed, "its facts are guessed; verify rotation and replay with the provider")
	say(p.Replay.Kind == providers.ReplayForbidden && !p.LastChance, "a lost answer costs the user a consent (replay: forbidden); write the provider's rule if it documents one")
	say(len(p.IDTokenAlgs) == 0 && p.UserinfoURL == "", "nobody can tell whose login a consent is (no id_token_algs, no userinfo_url)")
	say(p.AuthorizeURL == "", "consents cannot begin here (no authorize_url)")
	say(p.RevocationURL == "", "a logout clears our copy only (no revocation_url)")
	say(p.AccountsURL == "", "accounts gained and lost are not known (no accounts_url)")
	return list
}
