package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/cli"
)

// Only what is about the reported generation or a later one settles a report. The
// end of an earlier one was not the last: the link's user came back.
func TestWhatAnswersAReport(t *testing.T) {
	s := events.Subjects{Prefix: "regrant"}
	a := events.Address{Tenant: "default", Provider: "op", Link: "L"}
	for _, c := range []struct {
		name events.Name
		of   string
		want bool
	}{
		{events.NameTokenRotated, "2", false},
		{events.NameTokenRotated, "3", true},
		{events.NameConsentRequired, "1", false},
		{events.NameConsentRequired, "2", true},
		{events.NameLinkReplaced, "1", false},
		{events.NameLinkReplaced, "2", true},
		{events.NameLinkRevoked, "1", false},
		{events.NameLinkRevoked, "2", true},
		{events.NameLinkCreated, "2", false},
	} {
		m := &inbox.Message{Subject: s.Out(a, c.name), Header: map[string][]string{events.HeaderGeneration: {c.of}}}
		if got := answers(m, s, 2); got != c.want {
			t.Errorf("%s of generation %s answers a report of generation 2: %t", c.name, c.of, got)
		}
	}
}

func TestTraceparentOfAnInput(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got, err := (traced{good}).trace(); err != nil || got.Traceparent != good {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := (traced{}).trace(); err != nil || got != (events.Trace{}) {
		t.Errorf("without one: %+v, %v", got, err)
	}
	if _, err := (traced{"a-token-in-the-wrong-place"}).trace(); !errors.Is(err, cli.ErrBadInput) || strings.Contains(err.Error(), "wrong-place") {
		t.Errorf("a malformed one: %v", err)
	}
}
