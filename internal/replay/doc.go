// Package replay puts history before its readers once more: inputs before the workers,
// who decide them again, and outputs before one subscriber who lost them.
//
// Replaying is harmless by design (G8): an input goes the way that every input goes,
// under an id of its own, and says when it was stored first, so that nothing is done
// that was not due anyway. What would become of each, the workers tell beforehand
// (Explain), by the same decisions.
package replay
