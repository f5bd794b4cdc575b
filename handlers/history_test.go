package handlers_test

import (
	"fmt"
	"io"
	"os"
	"time"
)

// traceOn says that every run prints what it does, and the handlers' log beside it.
var traceOn = os.Getenv("REGRANT_TRACE") != ""

// history is what happened in one run. The same seed has the same history, to the byte.
type history struct {
	// steps counts what was answered: by a store, the bus, the lock server, the
	// provider, the spool or a timer.
	steps int
	// struck counts faults, by kind and place.
	struck map[string]int
	// out, if set, gets each thing in words, as it happens.
	out io.Writer
}

func newHistory(out io.Writer) *history {
	if traceOn && out == nil {
		out = os.Stderr
	}
	return &history{struck: map[string]int{}, out: out}
}

// answered counts a step. A test that is no simulation has no history.
func (h *history) answered() {
	if h != nil {
		h.steps++
	}
}

func (h *history) strikes(fault string) {
	if h != nil {
		h.struck[fault]++
	}
}

// tell adds a line. It costs nothing where nobody reads.
func (h *history) tell(format string, args ...any) {
	if h == nil || h.out == nil {
		return
	}
	_, _ = fmt.Fprintf(h.out, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
}
