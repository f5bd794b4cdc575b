package kvstore

import (
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
)

// TestIndexWithoutReplies repeats every index call whose answer was lost.
func TestIndexWithoutReplies(t *testing.T) {
	f := newFaulty(t, testenv.NATS(t))
	for name, call := range map[string]func() error{
		"owner": func() error { _, err := f.Owner(t.Context(), "default", "nobodys"); return err },
		"take": func() error {
			return f.Take(t.Context(), "default", "subject", links.Owner{Address: address, Revision: 0})
		},
		"add user": func() error { return f.AddUser(t.Context(), "user", address) },
	} {
		lost := f.proxy.loseRequests()
		done := make(chan error, 1)
		go func() { done <- call() }()
		<-lost
		f.proxy.heal()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.takenWithoutReply(t)
	f.proxy.loseReplies()
	done := make(chan error, 1)
	go func() { done <- f.Release(t.Context(), "default", "subject", address) }()
	f.proxy.heal()
	if err := <-done; err != nil {
		t.Errorf("release: %v", err)
	}
	owner, err := f.direct.Owner(t.Context(), "default", "subject")
	if err != nil || owner.Address != (events.Address{}) {
		t.Errorf("owner %s, %v after the release", owner.Address, err)
	}
}

// takenWithoutReply takes a subject that the link owns already, and loses the
// answer: whoever is told that he was refused would displace himself.
func (f faulty) takenWithoutReply(t *testing.T) {
	t.Helper()
	before, err := f.direct.Owner(t.Context(), "default", "subject")
	if err != nil || before.Address != address {
		t.Fatalf("owner %s, %v", before.Address, err)
	}
	f.proxy.loseReplies()
	done := make(chan error, 1)
	go func() {
		done <- f.Take(t.Context(), "default", "subject", links.Owner{Address: address, Revision: before.Revision})
	}()
	now := before
	testenv.Eventually(t, patient, "the subject is taken", func() bool {
		now, err = f.direct.Owner(t.Context(), "default", "subject")
		return err == nil && now.Revision != before.Revision
	})
	f.proxy.heal()
	if err := <-done; err != nil {
		t.Errorf("take: %v", err)
	}
	if last, err := f.direct.Owner(t.Context(), "default", "subject"); err != nil || last != now {
		t.Errorf("%v, %v: taken again after %v", last, err, now)
	}
}
