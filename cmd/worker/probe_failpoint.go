//go:build failpoint

package main

import (
	"os"
	"os/signal"
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
	act := die
	if len(spec) > 2 && spec[2] == "stop" {
		act = pause
	}
	var passed atomic.Bool
	return func(s handlers.Step, w handlers.When, _ events.Address) {
		if string(s) == spec[0] && string(w) == spec[1] && passed.CompareAndSwap(false, true) {
			act()
		}
	}
}

func die() {
	send(syscall.SIGKILL)
	select {} // not one instruction further
}

// pause returns when the process goes on. The signal stops the other threads
// first: without the wait this one would take some more steps.
func pause() {
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(resumed)
	send(syscall.SIGSTOP)
	<-resumed
}

func send(sig syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		panic(err)
	}
}
