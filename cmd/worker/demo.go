package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/demo"
)

type demoCmd struct {
	Reports  int    `help:"How many 401s services report, over all links." default:"2000"`
	Links    int    `help:"How many links they are about." default:"100"`
	Workers  int    `help:"How many workers share the work." default:"3"`
	Provider string `help:"Simulated system; all is a tour of every one." default:"all" placeholder:"NAME"`
}

func (d *demoCmd) Run(ctx context.Context, c *cli.Common) error {
	o := demo.Options{Reports: d.Reports, Links: d.Links, Workers: d.Workers, Providers: []string{d.Provider}}
	if d.Provider == "all" {
		o.Providers = demo.Systems()
	}
	if err := o.Check(); err != nil {
		return fmt.Errorf("%w: --%w", cli.ErrBadInput, err)
	}
	kept := &tail{}
	o.Log, o.Progress = demoLog(c, kept), demoProgress(c)
	return d.show(ctx, c, o, kept)
}

func (d *demoCmd) show(ctx context.Context, c *cli.Common, o demo.Options, kept *tail) error {
	r, err := demo.Run(ctx, o)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the demo was interrupted; nothing of it is left: %w", context.Cause(ctx))
	case err != nil:
		kept.writeTo(c.Err)
		return err
	}
	if c.JSON {
		err = c.Print(r)
	} else {
		err = r.Write(c.Out)
	}
	if broken := r.Broken(); err == nil && len(broken) > 0 {
		kept.writeTo(c.Err)
		return fmt.Errorf("%d guarantees did not hold, the first: %s (%s). Please report this with the output of --log-level debug",
			len(broken), broken[0].Name, broken[0].Is)
	}
	return err
}

// demoLog keeps the log for the case that something goes wrong; at level debug
// it is shown at once.
func demoLog(c *cli.Common, kept *tail) *slog.Logger {
	if c.LogLevel == "debug" {
		return c.Log()
	}
	return slog.New(slog.NewTextHandler(kept, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// demoProgress is a bar on a terminal and lines elsewhere; nothing for machines.
func demoProgress(c *cli.Common) demo.Progress {
	if c.JSON {
		return nil
	}
	if f, ok := c.Err.(*os.File); ok && c.LogLevel != "debug" && term.IsTerminal(int(f.Fd())) {
		return &demo.Bar{W: c.Err}
	}
	return &demo.Lines{W: c.Err}
}

// tailSize is how much of a log is worth showing after a failure.
const tailSize = 64 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps p. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over := t.text.Len() + len(p) - tailSize; over > 0 {
		t.text.Next(over)
	}
	return t.text.Write(p)
}

// writeTo shows what was kept, from its first whole line.
func (t *tail) writeTo(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.text.String()
	if len(kept) == tailSize {
		_, kept, _ = strings.Cut(kept, "\n")
	}
	fmt.Fprint(w, kept)
}
