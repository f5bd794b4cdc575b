package permissions

import (
	"fmt"
	"io"
	"strings"
)

// WriteNSC writes commands of a shell that give users their permissions with nsc, and
// make them where they do not exist yet. Both accounts must exist.
func WriteNSC(w io.Writer, users []User) error {
	p := &printer{w: w}
	for i, u := range users {
		if i == 0 || users[i-1].Role != u.Role {
			p.comment("", u.About)
		}
		p.line("", "nsc add user --account %s --name %s", u.Account, u.Name)
		p.line("", "nsc edit user --account %s --name %s%s", u.Account, u.Name, u.flags())
	}
	return p.err
}

// WriteNSCAccounts writes the commands that make both accounts and what crosses between
// them.
func WriteNSCAccounts(w io.Writer, s Scope, users []User) error {
	p := &printer{w: w}
	for _, a := range []Account{Cell, Services} {
		if len(usersOf(a, users)) > 0 {
			p.line("", "nsc add account --name %s", a)
		}
	}
	p.line("", "nsc edit account --name %s --js-mem-storage -1 --js-disk-storage -1 --js-streams -1 --js-consumer -1", Cell)
	for _, c := range Crossings(s) {
		p.line("", "nsc add export --account %s --name %s --subject %s%s", c.From, quoted(c.Subject), quoted(c.Subject), c.exportFlags())
	}
	for _, c := range Crossings(s) {
		p.line("", `nsc add import --account %s --name %s --src-account "$(nsc describe account %s --field sub | tr -d '"')" --remote-subject %s --local-subject %s%s`,
			c.To, quoted(c.Subject), c.From, quoted(c.Subject), quoted(c.local()), c.importFlags())
	}
	return p.err
}

// flags grant. An empty list would allow everything, but for a user that may respond:
// then nsc's server denies the rest by itself.
func (u User) flags() string {
	var all strings.Builder
	for _, list := range []struct {
		flag     string
		subjects []string
	}{{"--allow-pub", u.Publish}, {"--allow-sub", u.Subscribe}} {
		if len(list.subjects) > 0 {
			fmt.Fprintf(&all, " \\\n  %s %s", list.flag, quoted(strings.Join(list.subjects, ",")))
		}
	}
	switch {
	case u.Responses:
		all.WriteString(" \\\n  --allow-pub-response")
	case len(u.Publish) == 0:
		all.WriteString(" \\\n  --deny-pub '>'")
	}
	return all.String()
}

func (c Crossing) local() string {
	if c.Local != "" {
		return c.Local
	}
	return c.Subject
}

func (c Crossing) exportFlags() string {
	switch {
	case c.Stream:
		return ""
	case c.Many:
		return " --service --response-type Stream"
	default:
		return " --service"
	}
}

func (c Crossing) importFlags() string {
	if c.Stream {
		return ""
	}
	return " --service"
}

// quoted keeps a shell from reading $, > and *. Subjects have no quotes.
func quoted(text string) string { return "'" + text + "'" }
