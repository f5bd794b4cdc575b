package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
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
}

// Process is a child process of a test. It ends with the test at the latest.
// Its methods fail the test when they fail, so call them from its own goroutine.
type Process struct {
	URL string // for servers: what clients connect to, the same after Restart

	t   testing.TB
	cmd Command
	log *Writer
	run *run // the present incarnation
}

// run is one incarnation of a process.
type run struct {
	proc   *os.Process
	output *watch
	exited chan struct{}
	err    error // how it ended; read after exited is closed
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
	p := &Process{t: t, cmd: cmd, log: LogWriter(t)}
	t.Cleanup(p.Kill)
	return p
}

func (p *Process) start() error {
	r, err := launch(p.cmd, p.log)
	if err != nil {
		return err
	}
	p.run = r
	return r.awaitReady()
}

// launch starts the process from a goroutine that keeps its thread until the
// process has ended: on Linux the child is killed with the thread that made it.
func launch(c Command, log *Writer) (*run, error) {
	r := &run{output: newWatch(c.Ready, log), exited: make(chan struct{})}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
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
		return fmt.Errorf("ended before it was ready: %w; it said:\n%s", r.err, r.output.text())
	case <-limit.C:
		return fmt.Errorf("not ready within %v; it said:\n%s", startLimit, r.output.text())
	}
}

// Pid is the process id of the present incarnation.
func (p *Process) Pid() int { return p.run.proc.Pid }

// Output is what the present incarnation has printed so far.
func (p *Process) Output() string { return p.run.output.text() }

// Exited is closed when the present incarnation has ended.
func (p *Process) Exited() <-chan struct{} { return p.run.exited }

// Wait waits until the process ends by itself and returns how: nil for exit
// code 0, else as exec.Cmd.Wait does.
func (p *Process) Wait() error {
	<-p.run.exited
	return p.run.err
}

// Kill ends the process with SIGKILL, stopped or not, and waits for its end.
func (p *Process) Kill() {
	if p.run == nil {
		return
	}
	_ = p.run.proc.Kill() // fails only if it has ended already
	<-p.run.exited
}

// Signal sends sig, SIGTERM for instance.
func (p *Process) Signal(sig os.Signal) {
	p.t.Helper()
	if err := p.run.proc.Signal(sig); err != nil {
		p.t.Fatalf("signal %v to %s: %v", sig, p.cmd.Path, err)
	}
}

// Stop suspends the process with SIGSTOP and returns when it stands still: its
// sockets still accept, but nobody answers.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP)
	p.AwaitStopped()
}

// AwaitStopped waits until the process stands still, whoever stopped it.
func (p *Process) AwaitStopped() {
	p.t.Helper()
	Eventually(p.t, startLimit, "the process is stopped", func() bool { return isStopped(p.Pid()) })
}

// Cont lets a stopped process go on.
func (p *Process) Cont() {
	p.t.Helper()
	p.Signal(syscall.SIGCONT)
}

// Restart kills the process if it lives and runs the same command again: for
// servers the same port and directory. It returns when it is ready.
func (p *Process) Restart() {
	p.t.Helper()
	p.Kill()
	if err := p.start(); err != nil {
		p.t.Fatal(err)
	}
}

// watch keeps and logs what a process prints and tells when a word was seen.
type watch struct {
	log  *Writer
	word []byte
	seen chan struct{}

	mu  sync.Mutex
	all bytes.Buffer
	hit bool
}

func newWatch(word string, log *Writer) *watch {
	w := &watch{log: log, word: []byte(word), seen: make(chan struct{})}
	_, _ = w.Write(nil) // the empty word is seen at once
	return w
}

func (w *watch) Write(p []byte) (int, error) {
	if len(p) > 0 {
		_, _ = w.log.Write(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	if !w.hit && bytes.Contains(w.all.Bytes(), w.word) {
		w.hit = true
		close(w.seen)
	}
	return len(p), nil
}

func (w *watch) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
