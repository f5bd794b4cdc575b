package audit_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/audit"
)

// log keeps entries, or says why it does not.
type log struct {
	kept []audit.Entry
	err  error
}

func (l *log) Append(_ context.Context, e audit.Entry) error {
	if l.err == nil {
		l.kept = append(l.kept, e)
	}
	return l.err
}

// stuck never answers.
type stuck struct{}

func (stuck) Append(ctx context.Context, _ audit.Entry) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAnOperatorIsNamedByLoginAndHost(t *testing.T) {
	if who := audit.Operator(); !regexp.MustCompile(`^operator:[^\s@]+@\S+$`).MatchString(who) {
		t.Errorf("%q", who)
	}
}

func TestARunSaysWhoAndIsTheCause(t *testing.T) {
	kept := &log{}
	run := audit.NewRun(kept, func() time.Time { return time.Unix(1, 0) }, time.Minute)
	for range 2 {
		if err := run.Before(t.Context(), audit.Entry{Action: audit.Replayed, Details: map[string]string{"since": "1h"}}); err != nil {
			t.Fatal(err)
		}
	}
	first, second := kept.kept[0], kept.kept[1]
	if first.Cause != run.ID || second.Cause != run.ID || first.ID == second.ID || first.Actor != audit.Operator() || !first.At.Equal(time.Unix(1, 0)) {
		t.Errorf("%+v %+v", first, second)
	}
	if _, err := first.Encode(); err != nil {
		t.Error(err)
	}
}

func TestWithoutItsEntryARunIsNotBegun(t *testing.T) {
	down := errors.New("down")
	run := audit.NewRun(&log{err: down}, time.Now, time.Minute)
	err := run.Before(t.Context(), audit.Entry{Action: audit.Replayed})
	if !errors.Is(err, down) || !strings.Contains(err.Error(), "replayed is not begun") || !strings.Contains(err.Error(), "worker provision") {
		t.Errorf("%v", err)
	}
}

// A log that does not answer holds a person up for the run's patience and no longer.
func TestARunDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := audit.NewRun(stuck{}, time.Now, 10*time.Second).Before(t.Context(), audit.Entry{Action: audit.Replayed})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
