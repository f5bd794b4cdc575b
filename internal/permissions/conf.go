package permissions

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// width is how long a line of subjects may be.
const width = 150

// WriteUsers writes users as entries for the list of users of nats-server's
// configuration. Passwords are taken from the server's environment: it does not start
// where one is missing.
func WriteUsers(w io.Writer, users []User) error { return writeUsers(w, users, "") }

// WriteAccounts writes both accounts whole, as `accounts` of the configuration.
func WriteAccounts(w io.Writer, s Scope, users []User) error {
	p := &printer{w: w}
	p.line("", "accounts {")
	for _, a := range []Account{Cell, Services} {
		if of := usersOf(a, users); len(of) > 0 {
			p.account(a, of, Crossings(s))
		}
	}
	p.line("", "}")
	return p.err
}

func writeUsers(w io.Writer, users []User, indent string) error {
	p := &printer{w: w}
	for i, u := range users {
		if i == 0 || users[i-1].Role != u.Role {
			p.comment(indent, u.About)
		}
		p.line(indent, "{ user: %s, password: $%s, permissions: {", u.Name, u.PasswordVariable())
		p.list(indent+"  ", "publish", u.Publish)
		p.list(indent+"  ", "subscribe", u.Subscribe)
		if u.Responses {
			p.line(indent+"  ", "allow_responses: true")
		}
		p.line(indent, "} }")
	}
	return p.err
}

// PasswordVariable is the environment variable of the server that holds the password.
func (u User) PasswordVariable() string {
	return "NATS_PASSWORD_" + strings.ToUpper(strings.ReplaceAll(u.Name, "-", "_"))
}

func usersOf(a Account, users []User) []User {
	return slices.DeleteFunc(slices.Clone(users), func(u User) bool { return u.Account != a })
}

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(indent, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, indent+format+"\n", args...)
	}
}

func (p *printer) comment(indent, text string) {
	for line := range strings.Lines(text) {
		p.line(indent, "# %s", strings.TrimSpace(line))
	}
}

// list writes subjects, as many in a line as fit. An empty list denies everything.
func (p *printer) list(indent, name string, subjects []string) {
	if len(subjects) == 0 {
		p.line(indent, "%s: []", name)
		return
	}
	p.line(indent, "%s: [", name)
	row := ""
	for _, s := range subjects {
		next := fmt.Sprintf("%q", s)
		if row != "" && len(indent)+len(row)+len(next) > width {
			p.line(indent+"  ", "%s,", row)
			row = ""
		}
		if row != "" {
			next = row + ", " + next
		}
		row = next
	}
	p.line(indent+"  ", "%s", row)
	p.line(indent, "]")
}

func (p *printer) account(a Account, users []User, crossings []Crossing) {
	p.line("  ", "%s {", a)
	if a == Cell {
		p.line("    ", "jetstream: enabled")
	}
	p.line("    ", "users: [")
	if p.err == nil {
		p.err = writeUsers(p.w, users, "      ")
	}
	p.line("    ", "]")
	p.exports(a, crossings)
	p.imports(a, crossings)
	p.line("  ", "}")
}

func (p *printer) exports(a Account, crossings []Crossing) {
	p.crossings("exports", crossings, func(c Crossing) string {
		switch {
		case c.From != a:
			return ""
		case c.Many:
			return fmt.Sprintf("{ %s: %q, response: stream }", c.kind(), c.Subject)
		default:
			return fmt.Sprintf("{ %s: %q }", c.kind(), c.Subject)
		}
	})
}

func (p *printer) imports(a Account, crossings []Crossing) {
	p.crossings("imports", crossings, func(c Crossing) string {
		switch {
		case c.To != a:
			return ""
		case c.Local != "":
			return fmt.Sprintf("{ %s: { account: %s, subject: %q }, to: %q }", c.kind(), c.From, c.Subject, c.Local)
		default:
			return fmt.Sprintf("{ %s: { account: %s, subject: %q } }", c.kind(), c.From, c.Subject)
		}
	})
}

func (p *printer) crossings(name string, crossings []Crossing, show func(Crossing) string) {
	var lines []string
	for _, c := range crossings {
		if line := show(c); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return
	}
	p.line("    ", "%s: [", name)
	for _, line := range lines {
		p.line("      ", "%s", line)
	}
	p.line("    ", "]")
}

func (c Crossing) kind() string {
	if c.Stream {
		return "stream"
	}
	return "service"
}
