package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// startLimit bounds the start of any process, and the time until one stands still. It
// is generous because machines are slow at the worst moments.
const startLimit = time.Minute

// Command says what to run.
type Command struct {
	Path string
	Args []string
	Env  []string // added to this process's own environment
	Dir  string   // working directory; "" means this process's own
	// Ready is what the process prints, to either output, when it can be used.
	// "" means at once.
	Ready string
	// Log gets both outputs of every incarnation. Its Write must be safe for concurrent
	// use. nil: nothing does.
	Log io.Writer
	// Tail is how much of its output an incarnation keeps for Output, in bytes; 0: all.
	Tail int
}

// Process is a child process and its successors: one command, run again and again.
// Start, Launch and Restart are for one goroutine at a time.
type Process struct {
	mu  sync.Mutex
	cmd Command
	run *run // the present incarnation
}

// run is one incarnation of a process.
type run struct {
	proc   *os.Process
	output *watch
	exited chan struct{}
	err    error // how it ended; read after exited is closed
}

// New prepares a process; Start or Launch runs it.
func New(c Command) *Process {
	if c.Log == nil {
		c.Log = io.Discard
	}
	return &Process{cmd: c}
}

// Start runs the command and waits until it is ready.
func (p *Process) Start() error {
	r, err := p.launch(nil)
	if err != nil {
		return err
	}
	return r.awaitReady()
}

// Launch runs the command with more environment, and does not wait.
func (p *Process) Launch(env ...string) error {
	_, err := p.launch(env)
	return err
}

func (p *Process) launch(env []string) (*run, error) {
	r, err := p.cmd.launch(env)
	if err == nil {
		p.mu.Lock()
		p.run = r
		p.mu.Unlock()
	}
	return r, err
}

// launch starts the process from a goroutine that keeps its thread until the
// process has ended: on Linux the child is killed with the thread that made it.
func (c Command) launch(env []string) (*run, error) {
	r := &run{output: newWatch(c), exited: make(chan struct{})}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(append(os.Environ(), c.Env...), env...)
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = r.output, r.output
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second // a grandchild may hold the outputs open
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		r.proc = cmd.Process
		started <- err
		if err == nil {
			r.err = cmd.Wait()
			close(r.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return r, nil
}

func (r *run) awaitReady() error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-r.output.seen:
		return nil
	case <-r.exited:
		if r.saidReady() {
			return nil // and ended since
		}
		return fmt.Errorf("ended before it was ready: %w; it said:\n%s", r.err, r.output.text())
	case <-limit.C:
		return fmt.Errorf("not ready within %v; it said:\n%s", startLimit, r.output.text())
	}
}

func (r *run) saidReady() bool {
	select {
	case <-r.output.seen:
		return true
	default:
		return false
	}
}

// present is the present incarnation; nil before the first.
func (p *Process) present() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// Path is the program's.
func (p *Process) Path() string { return p.cmd.Path }

// Pid is the process id of the present incarnation.
func (p *Process) Pid() int { return p.present().proc.Pid }

// Output is what the present incarnation has printed so far, or the end of it.
func (p *Process) Output() string { return p.present().output.text() }

// Ready is closed when the present incarnation has said that it can be used.
func (p *Process) Ready() <-chan struct{} { return p.present().output.seen }

// Exited is closed when the present incarnation has ended.
func (p *Process) Exited() <-chan struct{} { return p.present().exited }

// Wait waits until the process ends by itself and returns how: nil for exit
// code 0, else as exec.Cmd.Wait does.
func (p *Process) Wait() error {
	r := p.present()
	<-r.exited
	return r.err
}

// Kill ends the process with SIGKILL, stopped or not, and waits for its end.
func (p *Process) Kill() {
	r := p.present()
	if r == nil {
		return
	}
	_ = r.proc.Kill() // fails only if it has ended already
	<-r.exited
}

// Signal sends sig, SIGTERM for instance.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.present().proc.Signal(sig); err != nil {
		return fmt.Errorf("signal %v to %s: %w", sig, p.cmd.Path, err)
	}
	return nil
}

// Stop suspends the process with SIGSTOP and returns when it stands still: its
// sockets still accept, but nobody answers.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !p.Stopped() {
		select {
		case <-p.Exited():
			return fmt.Errorf("stop %s: it has ended", p.cmd.Path)
		case <-limit.C:
			return fmt.Errorf("%s does not stand still within %v", p.cmd.Path, startLimit)
		case <-poll.C:
		}
	}
	return nil
}

// Stopped says whether the process stands still, whoever stopped it.
func (p *Process) Stopped() bool { return isStopped(p.Pid()) }

// Cont lets a stopped process go on.
func (p *Process) Cont() error { return p.Signal(syscall.SIGCONT) }

// Restart kills the process if it lives and runs the same command again: for
// servers the same port and directory. It returns when it is ready.
func (p *Process) Restart() error {
	p.Kill()
	return p.Start()
}
