package handlers_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// Each test here is a schedule that broke the procedure once it was built.

// b sees, watches and gives up what a's intent left in the record.
func (w *world) giveUp(b *process, m *message) {
	w.t.Helper()
	b.take(m).end()
	w.sleep(w.budget.Patience)
	wantDone(w.t, b.take(m).end())
	w.wantLink(links.Uncertain, 1)
}

func TestAnIntentThatWasOvertakenBeforeItsReplyIsKnownNotToBeSent(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.once("write's reply is late")
		slow := a.take(m).until("reply")
		w.giveUp(b, m)
		slow.end()
		w.rest(a, b)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

func TestAnAttemptThatWasNotSentIsClearedThoughTheStoreIsAwayForAWhile(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.provider.answers = []providers.Class{providers.Refused}
		slow := a.take(m).until("socket")
		w.store.away = true
		w.forAWhile(slow, w.budget.Recovery/2)
		w.store.away = false
		slow.end()
		w.wantLink(links.Active, 1)
		w.rest(b)
		w.wantLink(links.Active, 2)
	})
}

func TestAnAttemptThatWasNotSentIsClearedAfterItsMessageIsSettledByAnother(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.provider.answers = []providers.Class{providers.Refused}
		slow := a.take(m).until("socket")
		w.store.away = true
		w.forAWhile(slow, 2*w.budget.Recovery)
		w.store.away = false
		w.giveUp(b, m)
		a.adopt().end()
		w.wantLink(links.Active, 1)
		w.wantArmed()
		w.rest(b)
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
	})
}

func TestAnAnswerThatTheDiskRefusesOutlivesTheStoresAbsence(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("answer")
		w.store.away, w.disk.full = true, true
		w.forAWhile(slow, 3*w.budget.Recovery)
		w.store.away = false
		slow.end()
		w.rest(a, b)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

func TestAnAnswerThatTheDiskRefusedIsSavedOnceItHasRoom(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("answer")
		w.store.away, w.disk.full = true, true
		w.forAWhile(slow, 3*w.budget.Recovery)
		w.disk.full = false
		w.forAWhile(slow, 3*w.budget.Recovery)
		a.crash()
		w.store.away = false
		w.rest(b)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

// forAWhile lets a task go on until it ends or time has passed.
func (w *world) forAWhile(t *task, d time.Duration) {
	for end := time.Now().Add(d); !t.done && time.Now().Before(end); {
		t.advance()
	}
}
