package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/seal"
)

type importCmd struct {
	Atomic bool   `help:"Import nothing if any line is bad. All lines are held in memory."`
	File   string `arg:"" optional:"" help:"File of lines; left out: standard input." type:"existingfile"`
}

const (
	// maxLine bounds an import line: two tokens and an ID token fit many times over.
	maxLine = 1 << 20
	// pieceLines and pieceBytes bound what is read before it is imported, and with it the
	// memory of an import.
	pieceLines = 10_000
	pieceBytes = 64 << 20
	// importers work on a piece at once: an import waits for the servers, not they for it.
	importers = 64
)

// imported is what became of one line.
type imported struct {
	Line    int    `json:"line"`
	Link    string `json:"link,omitzero"`
	Field   string `json:"field,omitzero"`
	Problem string `json:"problem,omitzero"`

	in handlers.ImportLine
}

func (i imported) bad() bool { return i.Problem != "" }

func (i *importCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cfg, err := settled(c)
	if err != nil {
		return err
	}
	keys, err := loadKeys(cfg)
	if errors.Is(err, seal.ErrNoKeys) && !hasServer(cfg) {
		return fmt.Errorf("%w; or start `worker run` and wait until it is ready: it makes them", err)
	}
	if err != nil {
		return err
	}
	cell, err := connectCell(ctx, c, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	from, err := i.open(c)
	if err != nil {
		return err
	}
	defer from.Close()
	run := importRun{
		im: worker.Importer(cfg, cell.bus, cell.store, keys, time.Now), audit: audit.NewRun(cell.bus, time.Now, c.ConnectTimeout),
		from: bufio.NewReader(from), atomic: i.Atomic, most: pieceLines,
	}
	err = run.all(ctx, func(lines []imported) error { return i.tell(c, lines) })
	if err != nil {
		return err
	}
	return run.sum(c)
}

// open is the input: a file, or what stands on standard input.
func (i *importCmd) open(c *cli.Common) (io.ReadCloser, error) {
	if i.File == "" {
		return io.NopCloser(c.In), nil
	}
	return os.Open(i.File)
}

// readLine returns the next line without the space around it, or the first
// maxLine bytes and one more of one that is longer. io.EOF ends it.
func readLine(from *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part[:min(len(part), maxLine+1-len(line))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			return bytes.TrimSpace(line), nil
		default:
			return nil, err
		}
	}
}

func parse(text []byte) (handlers.ImportLine, error) {
	if len(text) > maxLine {
		return handlers.ImportLine{}, &handlers.BadLine{Field: "line", Problem: fmt.Sprintf("is longer than %d bytes", maxLine)}
	}
	return handlers.ParseImportLine(text)
}

// note keeps what is wrong with a line and passes on what is wrong with us.
func (i *imported) note(err error) error {
	var bad *handlers.BadLine
	if errors.As(err, &bad) {
		i.Field, i.Problem = bad.Field, bad.Problem
		return nil
	}
	return err
}

func count(lines []imported) (bad int) {
	for _, l := range lines {
		if l.bad() {
			bad++
		}
	}
	return bad
}

// tell reports the lines of a piece: each to a machine, to people those that are bad.
func (i *importCmd) tell(c *cli.Common, lines []imported) error {
	for _, l := range lines {
		if c.JSON {
			if err := c.Print(l); err != nil {
				return err
			}
		} else if l.bad() {
			fmt.Fprintf(c.Err, "line %d: %s %s\n", l.Line, l.Field, l.Problem)
		}
	}
	return nil
}
