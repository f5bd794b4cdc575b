package audit

import "slices"

var (
	byWorkers   = []Action{TokenRead, Decided, Revoked, Recovered, ConsentBegun, TokensStaged, ConsentPassed}
	byOperators = []Action{Imported, RevokeAsked, DecideAsked, Replayed, DeadRetried, DeadDropped, KeysRotated, Resealed, KeyDestroyed, Restored, Provisioned}
)

// ByWorkers lists what workers do: each action has a subject of its own, so that
// permissions can tell who may say it.
func ByWorkers() []Action { return slices.Clone(byWorkers) }

// ByOperators lists what operators do.
func ByOperators() []Action { return slices.Clone(byOperators) }
