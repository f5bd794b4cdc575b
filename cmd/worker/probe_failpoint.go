//go:build failpoint

package main

import (
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
)

// failpoint is a point of the procedure and what happens to this process there.
type failpoint struct {
	step handlers.Step
	when handlers.When
	act  func()
}

// probe kills or stops this very process at points of the procedure, named by
// REGRANT_FAILPOINT as `step:when[:action]` with commas between them: no cleanup,
// no deferred call, as if the host had vanished. Each is waited for once the one
// before it has struck, and strikes the first time that it is passed from then on.
// The action is kill (the default), stop, which is SIGSTOP, or pass: to go on, and to
// wait for the next point from there.
func probe() handlers.Probe {
	points := failpoints(os.Getenv("REGRANT_FAILPOINT"))
	if len(points) == 0 {
		return nil
	}
	var struck atomic.Int64
	return func(s handlers.Step, w handlers.When, _ events.Address) {
		n := struck.Load()
		if n < int64(len(points)) && points[n].step == s && points[n].when == w && struck.CompareAndSwap(n, n+1) {
			points[n].act()
		}
	}
}

func failpoints(text string) (all []failpoint) {
	for _, one := range strings.Split(text, ",") {
		spec := strings.Split(one, ":")
		if len(spec) < 2 {
			continue
		}
		p := failpoint{step: handlers.Step(spec[0]), when: handlers.When(spec[1]), act: die}
		switch {
		case len(spec) > 2 && spec[2] == "stop":
			p.act = pause
		case len(spec) > 2 && spec[2] == "pass":
			p.act = func() {}
		}
		all = append(all, p)
	}
	return all
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

// clock is this host's, and wrong by REGRANT_CLOCK, a duration such as -90s. What is
// measured by it is right all the same: the monotonic reading stays.
func clock() func() time.Time {
	wrong, err := time.ParseDuration(os.Getenv("REGRANT_CLOCK"))
	if err != nil {
		return time.Now
	}
	return func() time.Time { return time.Now().Add(wrong) }
}
