package audit

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"
	"unicode"

	"github.com/oklog/ulid/v2"
)

// Operator is the actor of a command that a person runs: "operator:<login>@<host>", as
// the system knows them, "unknown" where it does not.
func Operator() string {
	var login string
	if who, err := user.Current(); err == nil {
		login = who.Username
	}
	host, _ := os.Hostname()
	return "operator:" + named(login) + "@" + named(host)
}

// named leaves out what would not print as one word.
func named(word string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, word), "unknown")
}

// Run is one run of an operator's command. All that it writes names its ID as cause.
type Run struct {
	ID    string
	Actor string
	Log   Log
	// Now is the clock of the entries.
	Now func() time.Time
	// Patience bounds the wait for one entry: who waits for it is a person.
	Patience time.Duration
}

// NewRun is a run of whoever runs this process.
func NewRun(log Log, now func() time.Time, patience time.Duration) Run {
	return Run{ID: ulid.Make().String(), Actor: Operator(), Log: log, Now: now, Patience: patience}
}

// Before writes what is about to be done, and returns once that is durable. After an
// error the effect must not happen.
func (r Run) Before(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	e.ID, e.At, e.Actor, e.Cause = ulid.Make().String(), r.Now().UTC(), r.Actor, r.ID
	if err := r.Log.Append(ctx, e); err != nil {
		return fmt.Errorf("%s is not begun, for it cannot be audited: %w; see that the audit's stream is there (`worker provision`) and that this user may publish to it", e.Action, err)
	}
	return nil
}
