package permissions

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// Scope narrows what is granted. Its zero value is the cell with the default prefix, its
// default tenant, any provider and link.
type Scope struct {
	// Prefix of the cell. Empty means events.DefaultPrefix.
	Prefix string
	// Name of the user, where services that share a role must not share an inbox. Empty
	// means the role's.
	Name string
	// Tenant that services work for. Empty means "default".
	Tenant string
	// Provider that services work for. Empty means any.
	Provider string
	// Links that readers read, each by a user of its own: services that may read
	// different links must not share an inbox. Empty means one reader of any link.
	Links []string
	// Subscription is the name that the subscriber gave it (client.SubscribeConfig).
	// Empty means "events".
	Subscription string
	// ReplayTo is where the operator may re-send outputs to. Empty means nowhere.
	ReplayTo string
	// Together puts services into the cell's account. It is less safe: see the package.
	Together bool
}

func (s Scope) names() bus.Names { return bus.Names{Prefix: s.Prefix} }

func (s Scope) subjects() events.Subjects { return s.names().Subjects() }

func (s Scope) tenant() string { return cmp.Or(s.Tenant, "default") }

// about is what services see; an empty link means any.
func (s Scope) about(link string) events.Address {
	return events.Address{Tenant: s.tenant(), Provider: s.Provider, Link: link}
}

func (s Scope) subscription() string {
	return s.names().SubscriptionConsumer(s.tenant(), cmp.Or(s.Subscription, "events"))
}

// Validate reports what would widen a subject or make it another one.
func (s Scope) Validate() error {
	all := []error{s.names().Validate()}
	if !events.ValidProvider(s.tenant()) {
		all = append(all, fmt.Errorf("tenant %q does not match [a-z0-9-]{1,32}", s.Tenant))
	}
	if s.Provider != "" && !events.ValidProvider(s.Provider) {
		all = append(all, fmt.Errorf("provider %q does not match [a-z0-9-]{1,32}", s.Provider))
	}
	if s.Name != "" && !events.ValidProvider(s.Name) { // the form of client.Config.Role
		all = append(all, fmt.Errorf("name %q does not match [a-z0-9-]{1,32}", s.Name))
	}
	for _, link := range s.Links {
		if !events.ValidLink(link) {
			all = append(all, fmt.Errorf("link %q does not match [A-Za-z0-9_-]{1,64}", link))
		}
	}
	if s.Subscription != "" && !events.ValidLink(s.Subscription) { // the same form
		all = append(all, fmt.Errorf("subscription %q does not match [A-Za-z0-9_-]{1,64}", s.Subscription))
	}
	if s.ReplayTo != "" && !s.foreign(s.ReplayTo) {
		all = append(all, fmt.Errorf("%q is no subject to re-send outputs to: name one beside the cell's, such as again.>", s.ReplayTo))
	}
	return errors.Join(all...)
}

var subjectForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+|\.\*)*(\.>)?$`)

// foreign says that a subject is neither the cell's nor the server's.
func (s Scope) foreign(subject string) bool {
	first, _, _ := strings.Cut(subject, ".")
	own, _, _ := strings.Cut(s.subjects().InAll(), ".")
	return subjectForm.MatchString(subject) && first != own && !strings.HasPrefix(first, "_")
}
