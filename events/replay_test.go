package events_test

import (
	"errors"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
)

// stored is a message as a stream gives it back.
func stored(m events.Message, sequence uint64, at time.Time) events.Original {
	return events.Original{Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: sequence, StoredAt: at}
}

func replay(t *testing.T, o events.Original, run string) events.Message {
	t.Helper()
	m, err := events.Subjects{}.Replay(o, run)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAReplayIsTheOriginalUnderAnotherID(t *testing.T) {
	m := input(t, "shop", "1", events.TokenExpired{Address: bank, Generation: 7, Reason: events.ReasonUnauthorized})
	again := replay(t, stored(m, 12, at), "R")
	if again.Subject != m.Subject || header(again, "Regrant-Generation") != "7" || header(again, "Regrant-Reason") != "unauthorized" {
		t.Errorf("%+v", again)
	}
	if header(again, "Nats-Msg-Id") == header(m, "Nats-Msg-Id") {
		t.Error("the broker would take the replay for the original")
	}
	was, _ := events.Decode(m.Header, m.Data)
	is, err := events.Decode(again.Header, again.Data)
	if err != nil || events.Check(is, bank, events.NameTokenExpired) != nil {
		t.Fatalf("%v, %s", err, again.Data)
	}
	if is.ID() != "replay:R:12" || is.Extensions()["replays"] != "1" || is.Source() != "shop" || !is.Time().Equal(was.Time()) || string(is.Data()) != string(was.Data()) {
		t.Errorf("%s", again.Data)
	}
	if n, ok := events.Replays(again.Header); n != 12 || !ok {
		t.Errorf("replays %d, %t", n, ok)
	}
	if _, ok := events.Replays(m.Header); ok {
		t.Error("the original replays something")
	}
}

// A run that is resumed repeats its ids, and no other run or original has them.
func TestTheIDsOfAReplayFollowFromRunAndSequence(t *testing.T) {
	m := input(t, "shop", "1", events.LogoutRequested{Address: bank, Scope: events.LogoutLink})
	first := header(replay(t, stored(m, 12, at), "R"), "Nats-Msg-Id")
	if header(replay(t, stored(m, 12, at), "R"), "Nats-Msg-Id") != first {
		t.Error("the same replay has another id")
	}
	for _, other := range []events.Message{replay(t, stored(m, 13, at), "R"), replay(t, stored(m, 12, at), "S")} {
		if header(other, "Nats-Msg-Id") == first {
			t.Error("another replay has the same id")
		}
	}
}

// However often an input is replayed, its first event and its first time are named.
func TestAReplayOfAReplayNamesTheFirst(t *testing.T) {
	m := input(t, "shop", "1", events.LogoutRequested{Address: bank, Scope: events.LogoutLink})
	once := replay(t, stored(m, 12, at), "R")
	twice := replay(t, stored(once, 40, at.Add(time.Hour)), "S")
	e, err := events.Decode(twice.Header, twice.Data)
	if err != nil || e.ID() != "replay:S:40" || e.Extensions()["replays"] != "1" || e.Extensions()["correlationid"] != "1" {
		t.Errorf("%s %v", twice.Data, err)
	}
	if got := events.FirstStored(twice.Header, at.Add(2*time.Hour)); !got.Equal(at) {
		t.Errorf("first stored %s, want %s", got, at)
	}
}

// Nobody makes an input younger than it is.
func TestAClaimOfALaterTimeIsNotBelieved(t *testing.T) {
	for _, claim := range []string{at.Add(time.Minute).Format(time.RFC3339Nano), "yesterday", ""} {
		if got := events.FirstStored(map[string][]string{events.HeaderFirstStored: {claim}}, at); !got.Equal(at) {
			t.Errorf("%q: first stored %s, want %s", claim, got, at)
		}
	}
}

func TestWhatWouldBeRefusedAgainIsNotReplayed(t *testing.T) {
	m := input(t, "shop", "1", events.LogoutRequested{Address: bank, Scope: events.LogoutLink})
	elsewhere := stored(m, 12, at)
	elsewhere.Subject = events.Subjects{}.In(twin, events.NameLogoutRequested)
	broken := stored(m, 12, at)
	broken.Data = []byte("{")
	for name, o := range map[string]events.Original{"another link's subject": elsewhere, "not an event": broken} {
		var invalid *events.Invalid
		if _, err := (events.Subjects{}).Replay(o, "R"); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
