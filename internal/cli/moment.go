package cli

import (
	"fmt"
	"time"
)

// Moment reads what a flag names as a time: RFC 3339, or how long ago, such as 1h. The
// zero time where it names none.
func Moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%w: --%s: %q is neither a time (RFC 3339) nor a duration", ErrBadInput, flag, text)
	}
	return at, nil
}
