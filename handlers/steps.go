package handlers

import "github.com/regrant/regrant/events"

// Step is a point of the procedure. Each durable step has one point before it
// and one after it.
type Step string

// The steps, in their order. Those of the refused and the ambiguous branch follow.
const (
	StepLock    Step = "lock"
	StepRead    Step = "read"
	StepIntent  Step = "intent"
	StepPresent Step = "present"
	StepSpool   Step = "spool"
	StepVerify  Step = "verify"
	StepCommit  Step = "commit"
	StepTimer   Step = "timer"
	StepOutbox  Step = "outbox"
	StepKnown   Step = "known"
	StepUnspool Step = "unspool"
	StepAck     Step = "ack"

	// The steps of a consent flow, in their order; between them lie present, spool,
	// timer, outbox and unspool.
	StepOpen     Step = "flow_open"
	StepMark     Step = "flow_mark"
	StepAnswer   Step = "flow_answer"
	StepLook     Step = "flow_look"
	StepRule     Step = "flow_rule"
	StepClaim    Step = "flow_claim"
	StepTarget   Step = "flow_target"
	StepDisplace Step = "flow_displace"
	StepDepart   Step = "flow_depart"
	StepEnd      Step = "flow_end"
	StepFail     Step = "flow_fail"

	StepClear   Step = "clear"
	StepVerdict Step = "verdict"
	StepJudge   Step = "judge"
)

// Steps lists every step of a refresh, for tests that enumerate crash points.
func Steps() []Step {
	return []Step{
		StepLock, StepRead, StepIntent, StepPresent, StepSpool, StepVerify, StepCommit,
		StepTimer, StepOutbox, StepKnown, StepUnspool, StepAck, StepClear, StepVerdict, StepJudge,
	}
}

// FlowSteps lists every step of a consent flow that no refresh has.
func FlowSteps() []Step {
	return []Step{
		StepOpen, StepMark, StepAnswer, StepLook, StepRule, StepClaim, StepTarget, StepDisplace, StepDepart, StepEnd, StepFail,
	}
}

// When says on which side of a step its point is.
type When string

// The two sides.
const (
	Before When = "before"
	After  When = "after"
)

// Probe is told when a handler passes a point. Production has none; tests stop,
// crash or interleave workers there instead of sleeping.
type Probe func(s Step, w When, a events.Address)

func (p Probe) around(s Step, a events.Address, do func() error) error {
	p.at(s, Before, a)
	err := do()
	if err == nil {
		p.at(s, After, a)
	}
	return err
}

func (p Probe) at(s Step, w When, a events.Address) {
	if p != nil {
		p(s, w, a)
	}
}
