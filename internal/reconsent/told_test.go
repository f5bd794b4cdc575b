package reconsent_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/internal/testenv"
)

// quiet waits until every input was acked.
func (s *scene) quiet() {
	s.t.Helper()
	n := s.bus.Names()
	testenv.Eventually(s.t, patience, "every input is acked", func() bool {
		c, err := s.bus.JetStream().Consumer(s.t.Context(), n.In(), n.WorkerConsumer(s.provider))
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
	})
}

// view is a line of `worker links list --json`.
type view struct {
	api.LinkView
	User string `json:"user"`
}

// listed is what `worker links list --user` says of the scene's users, in words of
// the scene; links that nobody named are N, as there is never more than one.
func (s *scene) listed() (all []view, lines []string) {
	s.t.Helper()
	for _, user := range s.users {
		out := s.run(s.t, exits(0), s.worker, "links", "list", "--json", "--provider", s.provider, "--user", s.user(user))
		for line := range strings.Lines(out) {
			v := view{}
			if err := json.Unmarshal([]byte(line), &v); err != nil || v.User != s.user(user) {
				s.t.Fatalf("links list printed %q: %v", line, err)
			}
			if s.names[v.Link] == "" {
				s.knows("N", v.Link)
			}
			all = append(all, v)
		}
	}
	for _, v := range all {
		lines = append(lines, s.line(v))
	}
	slices.Sort(lines)
	return all, lines
}

// line is a link in short: name, user, login, state, generation.consent.
func (s *scene) line(v view) string {
	user, _, _ := strings.Cut(v.User, "/")
	text := fmt.Sprintf("%s %s %s %s %d.%d", s.names[v.Link], user, cmp.Or(s.names[v.SubjectHMAC], "-"), v.Status, v.Generation, v.Consent)
	if v.Successor != nil {
		text += " by " + cmp.Or(s.names[v.Successor.Link], "nobody")
	}
	if v.Held {
		text += fmt.Sprintf(" held %d", v.HeldConsent)
	}
	return text
}

// lists waits until the scene's links are as they should be. The first event of
// several is printed when all is written, or by whoever was faster.
func (s *scene) lists(want []string) []view {
	s.t.Helper()
	var all []view
	var got []string
	for range 20 {
		if all, got = s.listed(); slices.Equal(got, want) {
			return all
		}
	}
	s.t.Fatalf("links are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	return nil
}

// numbered is how many events a link has had, by `worker links show`.
func (s *scene) numbered(link string) int {
	s.t.Helper()
	var l struct {
		Events int `json:"event_no"`
	}
	out := s.run(s.t, exits(0), s.worker, "links", "show", s.links[link], "--provider", s.provider, "--json")
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		s.t.Fatal(err)
	}
	return l.Events
}

// forget leaves what was told so far out of the row.
func (s *scene) forget() {
	s.listed()
	for link := range s.links {
		s.heard[link] = s.numbered(link)
	}
}

// told is every event of the scene's links that the row tells of, by `publisher
// watch`: those of each link in their order.
func (s *scene) told() (lines []string) {
	s.t.Helper()
	var all []string
	for _, link := range slices.Sorted(maps.Keys(s.links)) {
		n := s.numbered(link)
		if n == 0 {
			continue
		}
		out := s.run(s.t, exits(0), s.publisher, "watch", "--provider", s.provider, "--link", s.links[link], "--since", "1h", "--count", fmt.Sprint(n))
		raw := strings.Split(strings.TrimSpace(out), "\n")
		all = append(all, raw...)
		for _, line := range raw[s.heard[link]:] {
			lines = append(lines, s.event(link, line))
		}
	}
	for _, line := range s.printed {
		if !slices.Contains(all, line) {
			s.t.Errorf("what was printed is stored nowhere: %s", line)
		}
	}
	s.run(s.t, ending{in: strings.Join(all, "\n")}, s.publisher, "validate", "-")
	return lines
}

// everyEvent are fields that say nothing of the row: the address, the clocks, and
// the whole of what the lists of gained and lost are about. Generation and consent
// stand before the others.
var everyEvent = []string{
	"tenant", "provider", "link", "nickname", "scopes", "accounts", "expires_at", "refresh_expires_at", "consent_expires_at", "held_until",
	"previous_still_valid", "previous_generation", "cause", "generation", "consent",
}

// event is an event in short, in words of the scene.
func (s *scene) event(link, text string) string {
	s.t.Helper()
	var e struct {
		Type, Subject string
		Data          map[string]any
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Subject != s.links[link] {
		s.t.Fatalf("an event of %s: %s: %v", link, text, err)
	}
	line := link + " " + strings.TrimSuffix(strings.TrimPrefix(e.Type, "dev.regrant."), ".v1")
	if n, ok := e.Data["generation"]; ok {
		line += fmt.Sprintf(" %v.%v", n, e.Data["consent"])
	}
	for _, field := range slices.Sorted(maps.Keys(e.Data)) {
		if !slices.Contains(everyEvent, field) {
			line += " " + field + "=" + s.word(e.Data[field])
		}
	}
	return line
}

// shorter names a whole by itself.
var shorter = func() *strings.Replacer {
	pairs := []string{strings.ReplaceAll(scopes, " ", ","), "all"}
	for _, login := range []string{"anna-home", "anna-work", "anna-club", "ben-home"} {
		pairs = append(pairs, fmt.Sprintf("%[1]s-1,%[1]s-2,%[1]s-3", login), login+"'s")
	}
	return strings.NewReplacer(pairs...)
}()

// word is a value in an event, links and logins by their names.
func (s *scene) word(value any) string {
	switch v := value.(type) {
	case string:
		return cmp.Or(s.names[v], v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var all []string
		for _, each := range v {
			all = append(all, s.word(each))
		}
		return shorter.Replace(strings.Join(all, ","))
	case map[string]any: // the address of a link, which may never come to be
		link, _ := v["link"].(string)
		return cmp.Or(s.names[link], "nobody")
	default:
		return fmt.Sprint(v)
	}
}

// refreshes makes every link that lives refresh once: its tokens are good.
func (s *scene) refreshes(all []view) {
	s.t.Helper()
	for _, v := range all {
		if v.Status != "active" {
			continue
		}
		out := s.run(s.t, exits(0), s.publisher, "token-expired", "--provider", s.provider, "--link", v.Link,
			"--generation", fmt.Sprint(v.Generation), "--wait", patience.String())
		if want := fmt.Sprintf(`"generation":%d,`, v.Generation+1); !strings.Contains(out, ".token-rotated.") || !strings.Contains(out, want) {
			s.t.Errorf("a refresh of %s: %s", s.names[v.Link], out)
		}
	}
}
