package permissions

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Role is what somebody does with a cell.
type Role string

// The roles inside the cell, then those of services.
const (
	Worker     Role = "worker"
	Operator   Role = "operator"
	Admin      Role = "admin"
	Reporter   Role = "reporter"
	Reader     Role = "reader"
	Subscriber Role = "subscriber"
	Callback   Role = "callback"
	Owner      Role = "owner"
)

// Account is a NATS account: names in one mean nothing in the other.
type Account string

// The two accounts of a cell.
const (
	Cell     Account = "CELL"
	Services Account = "SERVICES"
)

// User is one credential and what it may do. What is not listed is denied.
type User struct {
	// Name is the role's, or the scope's; one of several readers has a number after it.
	// Replies come to the inbox of this name, so programs connect with it as their role.
	Name    string  `json:"user"`
	Role    Role    `json:"role"`
	Account Account `json:"account"`
	// About is what the user is for, in a line or two.
	About     string   `json:"about"`
	Publish   []string `json:"publish"`
	Subscribe []string `json:"subscribe"`
	// Responses: it may also publish, once, to the reply subject of what it was sent.
	Responses bool `json:"allow_responses,omitempty"`
	// Redis is an ACL rule without user and password; empty means no access.
	Redis string `json:"redis,omitempty"`
}

// role is how the users of a role are made.
type role struct {
	name    Role
	account Account
	about   string
	grant   func(Scope) []User
}

// roles lists all of them, in the order in which they are printed.
var roles = []role{
	{Admin, Cell, "Creates and updates streams, consumers and buckets (worker provision). It can neither\ndelete one nor read what is in it.", admin},
	{Operator, Cell, "A person who imports, inspects, replays and retries, and reads the audit.", operator},
	{Worker, Cell, "Refreshes, saves and announces. It has no stream administration and reads no audit.", worker},
	{Reporter, Services, "Reports dead tokens, for any link of the tenant, and reads nothing.", reporter},
	{Reader, Services, "Calls an API with a link's bearer (package client with PerLink).", readers},
	{Subscriber, Services, "Reacts to events, as one named subscription. It may select any event of the cell: what a\nconsumer selects, its request says, not its subject.", subscriber},
	{Callback, Services, "Begins consents and reports their end, decides on what is held, and logs users out.", callback},
	{Owner, Services, "Holds users' sessions and answers for them.", owner},
}

// Roles lists the names of all roles.
func Roles() []Role {
	names := make([]Role, len(roles))
	for i, r := range roles {
		names[i] = r.name
	}
	return names
}

// Users grants every role.
func Users(s Scope) ([]User, error) { return For(s, Roles()...) }

// For grants some roles. The errors are those of the scope and of unknown roles.
func For(s Scope, wanted ...Role) ([]User, error) {
	err := s.Validate()
	if s.Name != "" && (s.Together || len(wanted) != 1 || inside(wanted[0])) {
		err = errors.Join(err, errors.New("a name is for one role of the services' account: workers answer whoever is in theirs by role"))
	}
	for _, name := range wanted {
		if !slices.Contains(Roles(), name) {
			err = errors.Join(err, fmt.Errorf("there is no role %q", name))
		}
	}
	if err != nil {
		return nil, err
	}
	var all []User
	for _, r := range roles {
		if slices.Contains(wanted, r.name) {
			all = append(all, r.users(s)...)
		}
	}
	return all, nil
}

func inside(r Role) bool {
	return slices.ContainsFunc(roles, func(of role) bool { return of.name == r && of.account == Cell })
}

// users adds to what is granted what each user has: its place, and its inbox.
func (r role) users(s Scope) []User {
	granted := r.grant(s)
	for i := range granted {
		u := &granted[i]
		u.Name, u.Role, u.Account, u.About = s.nameOf(u.Name, r.name), r.name, s.account(r.account), r.about
		u.Subscribe = append([]string{s.inbox(u.Name)}, u.Subscribe...)
		u.Publish = append([]string{}, u.Publish...) // a list, also where it is empty
	}
	return granted
}

// nameOf is a role's user, or one of several.
func (s Scope) nameOf(which string, r Role) string {
	name := cmp.Or(s.Name, string(r))
	if which == "" {
		return name
	}
	return name + "-" + which
}

func (s Scope) account(of Account) Account {
	if s.Together {
		return Cell
	}
	return of
}

// inbox is where replies to a user come.
func (s Scope) inbox(user string) string { return s.names().InboxPrefix(user) + ".>" }

// api is JetStream's, as services have it.
func (s Scope) api() api {
	if s.Together {
		return ownAPI
	}
	return servicesAPI
}
