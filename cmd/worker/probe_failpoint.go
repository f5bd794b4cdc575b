//go:build failpoint

package main

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
)

// probe kills or stops this very process at one point of the procedure, named
// by REGRANT_FAILPOINT as `step:when[:action]`, the first time it is passed:
// no cleanup, no deferred call, as if the host had vanished. The action is kill
// (the default) or stop, which is SIGSTOP.
func probe() handlers.Probe {
	spec := strings.Split(os.Getenv("REGRANT_FAILPOINT"), ":")
	if len(spec) < 2 {
		return nil
	}
	sig := syscall.SIGKILL
	if len(spec) > 2 && spec[2] == "stop" {
		sig = syscall.SIGSTOP
	}
	var passed atomic.Bool
	return func(s handlers.Step, w handlers.When, _ events.Address) {
		if string(s) == spec[0] && string(w) == spec[1] && passed.CompareAndSwap(false, true) {
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				panic(err)
			}
			if sig == syscall.SIGKILL {
				select {} // not one instruction further
			}
		}
	}
}
