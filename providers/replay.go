package providers

import (
	"fmt"
	"time"
)

// ReplayKind is the family of a replay rule.
type ReplayKind int

// The zero kind is the careful one.
const (
	// ReplayForbidden: a second presentation may revoke the grant. Also what
	// `unknown` means.
	ReplayForbidden ReplayKind = iota
	// ReplaySafe: the token may be presented any number of times.
	ReplaySafe
	// ReplayGrace: again within Window of the first presentation.
	ReplayGrace
	// ReplayUntilSuccessorUsed: again within Window while no bearer of the
	// successor was used.
	ReplayUntilSuccessorUsed
)

var replayNames = [...]string{"forbidden", "safe", "grace", "until_successor_used"}

func (k ReplayKind) String() string {
	if k < 0 || int(k) >= len(replayNames) {
		return "forbidden"
	}
	return replayNames[k]
}

// Replay says what may be done when the outcome of a presentation is unknown.
// In YAML: `safe`, `forbidden`, `unknown`, `{grace: 30s}` or
// `{until_successor_used: 720h}`. The zero Replay is forbidden.
type Replay struct {
	Kind ReplayKind
	// Window is set for ReplayGrace and ReplayUntilSuccessorUsed only.
	Window time.Duration
}

func (r Replay) String() string {
	if r.Window > 0 {
		return fmt.Sprintf("%s %s", r.Kind, r.Window)
	}
	return r.Kind.String()
}
