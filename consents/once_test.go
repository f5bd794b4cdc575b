package consents_test

import (
	"testing"

	"github.com/regrant/regrant/consents"
)

// TestAFlowIsPresentedOnce: whatever became of the presentation, nothing but its
// own worker's word that it was not made leads back.
func TestAFlowIsPresentedOnce(t *testing.T) {
	for _, status := range []consents.Status{consents.Presented, consents.Exchanged, consents.Held, consents.Applied, consents.Failed} {
		if _, ok := (consents.Flow{Status: status}).Present("another", "code", "event"); ok {
			t.Errorf("a flow that is %s was presented", status)
		}
	}
}

func TestOnlyTheOwnPresentationIsTakenBack(t *testing.T) {
	f, ok := consents.Flow{Status: consents.Pending}.Present("mine", "code", "event")
	if !ok {
		t.Fatal("a pending flow was not presented")
	}
	if _, ok := f.TakeBack("another"); ok {
		t.Error("another's presentation was taken back")
	}
	if back, ok := f.TakeBack("mine"); !ok || back.Status != consents.Pending || back.Attempt != "" || !back.Order.IsZero() {
		t.Errorf("taken back to %+v, %t", back, ok)
	}
	for _, status := range []consents.Status{consents.Exchanged, consents.Applied, consents.Failed} {
		f.Status = status
		if _, ok := f.TakeBack("mine"); ok {
			t.Errorf("a flow that is %s was taken back", status)
		}
	}
}
