package judge

import (
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
)

// Fault is one line of faults.ndjson: what was done to whom, and until when.
type Fault struct {
	// Kind is a stable word, such as "worker-kill" or "redis-pause". What is lost on its
	// account, the judge reads off its Target and its times.
	Kind string `json:"kind"`
	// Target is whom it was done to: a process, or a way between two ("worker-3",
	// "worker-3/provider", "nats", "provider").
	Target string    `json:"target"`
	Begin  time.Time `json:"begin"`
	End    time.Time `json:"end"`
}

// Rule is what a provider tolerates, by its profile's replay rule.
type Rule string

// The replay rules that a judged provider may have.
const (
	Forbidden          Rule = "forbidden"
	Safe               Rule = "safe"
	Grace              Rule = "grace"
	UntilSuccessorUsed Rule = "until_successor_used"
)

// Sources are what is judged. The servers behind it have settled and run.
type Sources struct {
	NATSURL string
	// Prefix of the cell; empty: the default.
	Prefix string
	// Keys open records; a reader that is not given any judges what stands in the clear.
	Keys handlers.Sealer
	// Ledger is the path of the simulator's.
	Ledger string
	Faults []Fault
	// Rules by provider. Every provider of the run stands here.
	Rules map[string]Rule
	// Workers names the worker, as faults do, by the host and port that its provider's
	// proxy has: the ledger has those.
	Workers map[string]string
	// Families tells the link of each family whose grant was imported. Those of
	// consents are found by their codes.
	Families map[string]events.Address
	// Begin and End bound the load and the faults; what settled later, settled after End.
	Begin, End time.Time
	// Dismissed is since when no worker works: who reads has time, and timers that fire
	// meanwhile wait. Zero: they work on.
	Dismissed time.Time
	// LockOnly: the fleet has no records, no intents and no flags; what needs those is not judged.
	LockOnly bool
	// Seed, Commit and Machine stand in the report.
	Seed    uint64
	Commit  string
	Machine string
}
