package links

import "time"

// Action is what a handler does with a link.
type Action uint8

// The actions. Each but Wait, AskStore and Future ends in timer, outbox, ack.
const (
	// Wait: put the message back (model: D_LATER).
	Wait Action = iota
	// Finish: nothing to do but to finish what the record says: timer, then outbox (D_FINISH).
	Finish
	// Begin: write an intent and present (D_INTENT).
	Begin
	// Repeat: write another intent beside the listed ones and present (D_TAKE, may_repeat).
	Repeat
	// Postpone: repeat later, on a timer.
	Postpone
	// GiveUp: no presentation may be repeated; judge the link uncertain or beyond (D_TAKE, D_EXPIRE).
	GiveUp
	// Clear: our own attempt was never sent; take it out (model: notsent).
	Clear
	// Mark: note that the old bearer was refused, while the outcome is unknown.
	Mark
	// Condemn: nothing is left to present.
	Condemn
	// Check: verify the saved answer again.
	Check
	// AskStore: decide again with the store's clock.
	AskStore
	// Future: the report names a generation that this record has not reached.
	Future
	// Resume: take up the flow whose exchange is open (D_XINTENT, D_XFAIL).
	Resume
	// LetGo: nobody decided on the held replacement in time.
	LetGo
	// Ask: say that the link's end is near, or that it has come.
	Ask
	// Reject: what refreshing yields is refused; stop for a while.
	Reject
	// Defer: the verdict that is due is not to be taken now.
	Defer
	// Approve: let the held consent take the link's place.
	Approve
	// LogOut: end the link.
	LogOut
)

var actionNames = [...]string{
	"wait", "finish", "begin", "repeat", "postpone", "give_up", "clear", "mark", "condemn", "check", "ask_store", "future", "resume", "let_go", "ask", "reject", "defer", "approve", "log_out",
}

func (a Action) String() string { return actionNames[a] }

// Decision is an action with its reason, which is shown to operators.
type Decision struct {
	Action Action
	// After is the pause of Wait.
	After time.Duration
	// Grant is what Begin and Repeat present.
	Grant  GrantType
	Reason string
}
