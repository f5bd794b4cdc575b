package testenv

import (
	"io"
	"os"
	"testing"

	"github.com/regrant/regrant/internal/process"
)

// Command says what to run as a child process.
type Command struct {
	Path string
	Args []string
	Env  []string // added to the test's own environment
	Dir  string   // working directory; "" means the test's own
	// Ready is what the process prints, to either output, when it can be used.
	// "" means at once.
	Ready string
	// Log gets what it prints; nil means the test's log.
	Log io.Writer
}

// Process is a child process of a test. It ends with the test at the latest.
// Its methods fail the test when they fail, so call them from its own goroutine.
type Process struct {
	URL string // for servers: what clients connect to, the same after Restart

	t     testing.TB
	child *process.Process
}

// Start runs cmd and waits until it is ready.
func Start(t testing.TB, cmd Command) *Process {
	t.Helper()
	p := newProcess(t, cmd)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func newProcess(t testing.TB, cmd Command) *Process {
	if cmd.Log == nil {
		cmd.Log = LogWriter(t)
	}
	p := &Process{t: t, child: process.New(process.Command{
		Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir, Ready: cmd.Ready, Log: cmd.Log,
	})}
	t.Cleanup(p.Kill)
	return p
}

func (p *Process) start() error { return p.child.Start() }

// Pid is the process id of the present incarnation.
func (p *Process) Pid() int { return p.child.Pid() }

// Output is what the present incarnation has printed so far.
func (p *Process) Output() string { return p.child.Output() }

// Exited is closed when the present incarnation has ended.
func (p *Process) Exited() <-chan struct{} { return p.child.Exited() }

// Wait waits until the process ends by itself and returns how: nil for exit
// code 0, else as exec.Cmd.Wait does.
func (p *Process) Wait() error { return p.child.Wait() }

// Kill ends the process with SIGKILL, stopped or not, and waits for its end.
func (p *Process) Kill() { p.child.Kill() }

// Signal sends sig, SIGTERM for instance.
func (p *Process) Signal(sig os.Signal) {
	p.t.Helper()
	p.must(p.child.Signal(sig))
}

// Stop suspends the process with SIGSTOP and returns when it stands still: its
// sockets still accept, but nobody answers.
func (p *Process) Stop() {
	p.t.Helper()
	p.must(p.child.Stop())
}

// AwaitStopped waits until the process stands still, whoever stopped it.
func (p *Process) AwaitStopped() {
	p.t.Helper()
	Eventually(p.t, startLimit, "the process is stopped", p.child.Stopped)
}

// Cont lets a stopped process go on.
func (p *Process) Cont() {
	p.t.Helper()
	p.must(p.child.Cont())
}

// Restart kills the process if it lives and runs the same command again: for
// servers the same port and directory. It returns when it is ready.
func (p *Process) Restart() {
	p.t.Helper()
	p.must(p.child.Restart())
}

func (p *Process) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}
