package stand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Command says what to run as a process of its own.
type Command struct {
	// Name is what the process is called in errors and in the table of CPU time.
	Name, Path string
	Args       []string
	Dir        string
	// Ready is what the process prints when it can be used.
	Ready string
}

// Process is a running one. Stop it.
type Process struct {
	Name   string
	cmd    *exec.Cmd
	output *watch
	exited chan struct{}
	err    error // how it ended; read after exited is closed
}

// Start runs a command and waits until it is ready.
func Start(ctx context.Context, c Command) (*Process, error) {
	p := &Process{Name: c.Name, cmd: exec.Command(c.Path, c.Args...), output: &watch{word: []byte(c.Ready), seen: make(chan struct{})}, exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.Dir, p.output, p.output
	p.cmd.SysProcAttr = dieWithParent()
	p.cmd.WaitDelay = time.Second
	if err := p.launch(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	select {
	case <-p.output.seen:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s ended before it was ready: %w; it said:\n%s", c.Name, p.err, p.output.text())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("%s was not ready: %w; it said:\n%s", c.Name, context.Cause(ctx), p.output.text())
	}
}

// launch starts the process from a goroutine that keeps its thread until the
// process has ended: on Linux the child is killed with the thread that made it.
func (p *Process) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.exited)
		}
	}()
	return <-started
}

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what it has printed so far.
func (p *Process) Output() string { return p.output.text() }

// Exited is closed when it has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop asks the process to end, finishing what it is at, and kills it when ctx ends.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not end: %w", p.Name, context.Cause(ctx))
	}
}

// Kill ends it at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended already
	<-p.exited
}

// watch keeps what a process prints and tells when a word was seen.
type watch struct {
	word []byte
	seen chan struct{}

	mu  sync.Mutex
	all bytes.Buffer
	hit bool
}

// keep bounds what is kept of a talkative process, in bytes.
const keep = 1 << 20

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all.Len() < keep {
		w.all.Write(p)
	}
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
