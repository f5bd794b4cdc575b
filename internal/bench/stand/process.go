package stand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/regrant/regrant/internal/process"
)

// Command says what to run as a process of its own.
type Command struct {
	// Name is what the process is called in errors and where processor time is shown.
	Name, Path string
	Args       []string
	Dir        string
	// Ready is what the process prints when it can be used.
	Ready string
}

// Process is a running one. End or Kill it.
type Process struct {
	*process.Process
	Name string
}

// Start runs a command and waits until it is ready.
func Start(c Command) (*Process, error) {
	p := &Process{Name: c.Name, Process: process.New(process.Command{Path: c.Path, Args: c.Args, Dir: c.Dir, Ready: c.Ready})}
	if err := p.Process.Start(); err != nil {
		p.Kill()
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// End asks the process to end, finishing what it is at, and kills it when ctx ends.
func (p *Process) End(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.Exited():
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not end: %w", p.Name, context.Cause(ctx))
	}
}
