package permissions

import (
	"slices"
	"strconv"

	verbs "github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
)

func reporter(s Scope) []User {
	return []User{{Publish: []string{s.subjects().InFilterOf(s.about(""), events.NameTokenExpired)}}}
}

// readers are one user per link. Who reads a bearer also reports it, and hears of its
// successor.
func readers(s Scope) []User {
	links := s.Links
	if len(links) == 0 {
		links = []string{""}
	}
	at := s.subjects()
	all := make([]User, len(links))
	for i, link := range links {
		about := s.about(link)
		all[i] = User{
			Name:      of(i, links),
			Publish:   []string{at.APILinkFilter(about, verbs.VerbToken), at.InFilterOf(about, events.NameTokenExpired)},
			Subscribe: []string{at.LiveFilter(about, "")},
		}
	}
	return all
}

// of tells one of several readers from the others. A link's id can be too long for a name.
func of(i int, links []string) string {
	if len(links) == 1 {
		return ""
	}
	return strconv.Itoa(i + 1)
}

func subscriber(s Scope) []User {
	out := s.names().Out()
	return []User{{Publish: slices.Concat(
		s.api().make(out, s.subscription()), s.api().take(out, s.subscription())[1:],
		[]string{s.subjects().DeadOf(s.subjects().OutFilter(events.Address{Tenant: s.tenant()}, ""))},
	)}}
}

// callback is the application that users face: they link, consent, decide and log out there.
func callback(s Scope) []User {
	at, about := s.subjects(), s.about("")
	return []User{{Publish: []string{
		at.API(s.tenant(), verbs.VerbConsentBegin), at.API(s.tenant(), verbs.VerbList), at.APILinkFilter(about, verbs.VerbShow),
		at.InFilterOf(about, events.NameReconsentCompleted), at.InFilterOf(about, events.NameLinkReplacementDecided), at.InFilterOf(about, events.NameLogoutRequested),
	}}}
}

// owner publishes nothing of its own accord: it answers whom the server let ask.
func owner(s Scope) []User {
	return []User{{Subscribe: []string{s.subjects().CredentialsFilter(s.about(""))}, Responses: true}}
}
